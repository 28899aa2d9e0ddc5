import assert from "node:assert/strict";
import { test } from "node:test";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { VerdictRecord } from "#lib/contracts/catalog-records.ts";
import { startFakeGateway } from "./support/fake-gateway.ts";
import { startThreeZones, ZONES } from "./support/three-zones.ts";
import { until } from "./support/until.ts";

const otherThan = (zone: string): string => ZONES.find(({ name }) => name !== zone)?.name ?? "";

test("the leader's zone dies, is taken out, and comes back after its hold, ramped, under another leader", async () => {
  const federation = await startThreeZones();
  try {
    await until("every cluster is seen", federation.allInService);
    assert.equal((await federation.verdict("eu-west"))?.["cause"], "first-seen");
    await until("somebody leads", async () => (await federation.record("leader")) !== undefined);
    const dead = String((await federation.record("leader"))?.["zone"]);
    const survivor = otherThan(dead);
    const gateway = await startFakeGateway(federation, survivor);
    await until("the gateway has a table", async () => gateway.table() !== undefined);

    await federation.zone(dead).kill();
    await until("the gateway's overlay has it", async () =>
      gateway.overlay().includes(`${dead}-1`),
    );
    await until("the verdict is down", async () => !(await federation.isInService(dead)));
    const down = await federation.verdict(dead);
    assert.equal(down?.["flaps"], 1);
    assert.ok(!(down["evidence"] as string[]).includes(dead));
    const cluster = () => gateway.table()?.entries.get(`cluster/${dead}-1`);
    await until("the gateway's table has it", async () => {
      const entry = cluster();
      return entry?.kind === "cluster" && entry.state === "down" && entry.weightPercent === 0;
    });
    await until("another zone leads", async () => {
      const leader = (await federation.record("leader"))?.["zone"];
      return leader !== undefined && leader !== dead;
    });

    const shares = new Set<number>();
    const noteShare = (): void => {
      const entry = cluster();
      if (entry?.kind === "cluster" && entry.state === "up") shares.add(entry.weightPercent);
    };
    await federation.zone(dead).start();
    await until("it has its whole share again", async () => {
      noteShare();
      return shares.has(100);
    });
    assert.equal((await federation.verdict(dead))?.["cause"], "unplanned");
    assert.deepEqual([...shares].slice(0, 2), [10, 25]);
    assert.deepEqual(
      [...shares],
      [...shares].toSorted((one, other) => one - other),
    );
    assert.deepEqual(gateway.overlay(), []);
  } finally {
    await federation.stop();
  }
});

test("with the catalog gone a dead cluster still leaves the tables, and the feed goes on", async () => {
  const federation = await startThreeZones();
  try {
    await until("every cluster is seen", federation.allInService);
    const gateway = await startFakeGateway(federation, "us-east");
    await until("the gateway has a table", async () => gateway.table() !== undefined);
    for (const { name } of ZONES) federation.zone(name).link.cut();
    await federation.zone("eu-west").killAgent();
    await until("the overlay has it", async () => gateway.overlay().join() === "eu-west-1");
    assert.equal(await federation.isInService("eu-west"), true);

    await federation.zone("eu-west").startAgent();
    await until("the overlay is empty again", async () => gateway.overlay().length === 0);
  } finally {
    await federation.stop();
  }
});

test("with failover off nothing is taken out", async () => {
  const federation = await startThreeZones({ failover: "off" });
  try {
    await until("every cluster is seen", federation.allInService);
    const gateway = await startFakeGateway(federation, "us-east");
    await federation.zone("eu-west").kill();
    for (const zone of ["us-east", "ap-south"])
      await until(`${zone} sees it down`, async () =>
        /^meridian_clusters_seen_down\S* 1$/m.test(await federation.zone(zone).metrics()),
      );
    assert.equal(await federation.isInService("eu-west"), true);
    assert.deepEqual(gateway.overlay(), []);
  } finally {
    await federation.stop();
  }
});

test("a verdict left by an earlier run of the whole federation does not hold up its start", async () => {
  const left: VerdictRecord = {
    clusterId: "eu-west-1",
    state: "down",
    cause: "unplanned",
    evidence: ["us-east", "ap-south"],
    decidedBy: "us-east",
    decidedAtMs: 0,
    flaps: 7,
  };
  const federation = await startThreeZones({ upHoldMs: 60_000 }, async (catalog) => {
    const key = keys.verdict("eu-west-1");
    const operations = [{ kind: "put", key, value: JSON.stringify(left) }] as const;
    await catalog.txn({ compares: [], operations });
  });
  try {
    await until("all are in service, without any hold", federation.allInService);
    const now = await federation.verdict("eu-west");
    assert.deepEqual([now?.["cause"], now?.["flaps"]], ["first-seen", 0]);
  } finally {
    await federation.stop();
  }
});
