import assert from "node:assert/strict";
import { test } from "node:test";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { VerdictRecord } from "#lib/contracts/control-records.ts";
import { readPlanInput } from "../../../../federator/io/read-records.ts";
import { startFakeGateway } from "../support/fake-gateway.ts";
import { startThreeZones, type TestFederation, ZONES } from "../support/three-zones.ts";
import { until } from "../support/until.ts";

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

    const shares = followShares(federation, `${dead}-1`);
    await federation.zone(dead).start();
    await until("the gateway's table gives it its whole share again", async () => {
      const entry = cluster();
      return entry?.kind === "cluster" && entry.state === "up" && entry.weightPercent === 100;
    });
    assert.equal((await federation.verdict(dead))?.["cause"], "unplanned");
    assert.deepEqual(shares, [10, 25, 40, 55, 70, 85]);
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

for (const who of ["the leader's zone", "another zone"] as const)
  test(`${who}, stopped on purpose, leaves by verdict at once, and returns whole with its next session`, async () => {
    const federation = await startThreeZones({ upHoldMs: 60_000 });
    try {
      await until("every cluster is seen", federation.allInService);
      await until("somebody leads", async () => (await federation.record("leader")) !== undefined);
      const leading = String((await federation.record("leader"))?.["zone"]);
      const stopped = who === "another zone" ? otherThan(leading) : leading;
      const stays = otherThan(stopped);
      const gateway = await startFakeGateway(federation, stays);
      await until("the gateway has a table", async () => gateway.table() !== undefined);
      const planDown = async (clusterId: string) =>
        federation.client.json(await federation.zone(stays).federatorUrl(), {
          method: "POST",
          path: "/internal/planned-downs",
          json: { clusterId },
          timeoutMs: 10_000,
        });
      const cluster = () => {
        const entry = gateway.table()?.entries.get(`cluster/${stopped}-1`);
        return entry?.kind === "cluster" ? entry : undefined;
      };

      const session = await federation.record(keys.zoneSession(stopped));
      assert.ok(session !== undefined);
      // On a busy machine the word may come too late, and is given again.
      await until("the verdict is there", async () => {
        await planDown(`${stopped}-1`);
        return !(await federation.isInService(stopped));
      });
      assert.deepEqual(await planDown(`${stopped}-1`), { isDown: false });
      await until("the gateway's table has it", async () => cluster()?.state === "down");
      // It still answers every probe, as a zone does that drains.
      await federation.zone(stopped).kill();
      const down = await federation.verdict(stopped);
      assert.deepEqual([down?.["state"], down?.["cause"], down?.["flaps"]], ["down", "planned", 0]);
      assert.equal(down?.["stoppedSession"], session?.["sessionId"]);

      await federation.zone(stopped).start();
      await until("it is back", async () => cluster()?.state === "up");
      assert.equal(cluster()?.weightPercent, 100);
      assert.equal((await federation.verdict(stopped))?.["cause"], "planned");
    } finally {
      await federation.stop();
    }
  });

test("the last cluster in service is not taken out on purpose either", async () => {
  const federation = await startThreeZones({ upHoldMs: 60_000 });
  try {
    await until("every cluster is seen", federation.allInService);
    const urls = await Promise.all(ZONES.map(({ name }) => federation.zone(name).federatorUrl()));
    const planDown = async (zone: string) =>
      federation.client.json(urls[ZONES.findIndex(({ name }) => name === zone)] ?? "", {
        method: "POST",
        path: "/internal/planned-downs",
        json: { clusterId: `${zone}-1` },
        timeoutMs: 1_000,
      });
    // Three operators at once, of whom none can know what the others do.
    await Promise.all(ZONES.map(({ name }) => planDown(name)));
    for (const { name } of ZONES) await planDown(name);
    const left = await Promise.all(ZONES.map(({ name }) => federation.isInService(name)));
    assert.equal(left.filter(Boolean).length, 1);
  } finally {
    await federation.stop();
  }
});

/** Every share that the catalog's history gives a cluster which comes back, in order; a gateway may be given the newest alone. */
function followShares(federation: TestFederation, clusterId: string): readonly number[] {
  const shares: number[] = [];
  const ending = new AbortController();
  federation.onStop(async () => ending.abort());
  const follow = async (): Promise<void> => {
    const query = { prefix: keys.planInput(), afterRevision: 0 };
    for await (const event of federation.catalog.watch(query, ending.signal))
      for (const change of event.kind === "revision" ? event.changes : []) {
        if (change.kind !== "put") continue;
        const share = readPlanInput(change.record)?.value.rampPercent[clusterId];
        if (share !== undefined && share !== shares.at(-1)) shares.push(share);
      }
  };
  follow().catch(() => undefined);
  return shares;
}
