import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import { hashApiKey } from "#lib/api-key.ts";
import { encodeEntry } from "#lib/table-digest.ts";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { threeZones } from "../../core/gateway/zones.ts";
import { type FakeAgent, startFakeAgent } from "./fake-agent.ts";
import { type FakeFederator, startFakeFederator } from "./fake-federator.ts";
import {
  DEMO_KEY,
  eventually,
  invoke,
  tableEntries,
  type TestFederation,
  testFederation,
} from "./run-gateway.ts";

const entries = tableEntries({
  functions: [
    { name: "echo" },
    { name: "eu", regions: ["eu"] },
    { name: "open", httpAuth: "public" },
  ],
});
const keyOfDemo = `key/${hashApiKey(DEMO_KEY)}`;
const at = (revision: number) => ({ incarnation: "test", revision });
const without = (key: string): RouteEntry[] =>
  entries.filter((entry) => encodeEntry(entry).key !== key);
const demo = entries.find((entry) => entry.kind === "tenant" && entry.tenant === "demo");
assert.ok(demo?.kind === "tenant");
const suspended: RouteEntry = { ...demo, isSuspended: true };

describe("changes that take something away", { timeout: 60_000 }, () => {
  let federation: TestFederation;
  let federator: FakeFederator;
  let agents: FakeAgent[];
  let gateway: RunningGateway;

  beforeEach(async () => {
    federation = await testFederation();
    federator = await startFakeFederator();
    await federation.publish("federator", "eu-west", federator.url);
    agents = await Promise.all(threeZones.map(({ name }) => startFakeAgent(name)));
    for (const [index, { name }] of threeZones.entries())
      await federation.publish("agent", name, agents[index]?.url ?? "");
    federator.sendTable(entries, 5);
    federator.grantAll();
  });
  afterEach(async () => {
    await gateway.stop();
    await Promise.all(agents.map((agent) => agent.close()));
    await federator.close();
    await federation.remove();
  });

  const start = async (changes: Parameters<TestFederation["startGateway"]>[0] = {}) => {
    gateway = await federation.startGateway(changes);
    await eventually(async () => (await fetch(`${gateway.publicUrl}/readyz`)).status === 200);
  };
  const told = async (response: Response): Promise<[number, string]> => [
    response.status,
    ((await response.json()) as { code: string }).code,
  ];
  const acknowledged = (revision: number) =>
    eventually(() => federator.acks.some(({ position }) => position?.revision === revision));

  test("a revoked key is refused from the moment it is acknowledged", async () => {
    await start();
    assert.equal((await invoke(gateway, "echo")).status, 200);
    federator.sendTable(without(keyOfDemo), 7);
    await acknowledged(7);
    assert.deepEqual(await told(await invoke(gateway, "echo")), [401, "MERIDIAN_UNAUTHENTICATED"]);
  });

  test("a suspended tenant is refused at every door, public functions included, until it is resumed", async () => {
    await start();
    const open = () => fetch(`${gateway.publicUrl}/fn/demo/open`);
    assert.equal((await open()).status, 200);
    federator.sendTable([...without("tenant/demo"), suspended], 7);
    await acknowledged(7);
    const refusal = [403, "MERIDIAN_TENANT_SUSPENDED"];
    assert.deepEqual(await told(await invoke(gateway, "echo")), refusal);
    assert.deepEqual(await told(await open()), refusal);
    const explain = `${gateway.publicUrl}/v1/route:explain?function=echo`;
    const headers = { authorization: `Bearer ${DEMO_KEY}` };
    assert.deepEqual(await told(await fetch(explain, { headers })), refusal);
    federator.sendTable(entries, 8);
    await acknowledged(8);
    assert.equal((await invoke(gateway, "echo")).status, 200);
    assert.equal((await open()).status, 200);
  });

  test("both are refused while the rest of their table is held back, and acknowledged as such", async () => {
    await start();
    assert.equal((await invoke(gateway, "echo")).status, 200);
    const clusters = entries.filter(({ kind }) => kind === "cluster").map(encodeEntry);
    const urgent = { kind: "urgent", position: at(9), entries: clusters } as const;
    federator.send({ ...urgent, entries: [...clusters, encodeEntry(suspended)], removed: [] });
    await eventually(() => federator.acks.some((ack) => ack.withdrawnPosition?.revision === 9));
    assert.equal(federator.acks.at(-1)?.position?.revision, 5);
    assert.deepEqual(await told(await invoke(gateway, "echo")), [403, "MERIDIAN_TENANT_SUSPENDED"]);
    federator.send({ ...urgent, position: at(10), removed: [keyOfDemo] });
    await eventually(() => federator.acks.some((ack) => ack.withdrawnPosition?.revision === 10));
    assert.deepEqual(await told(await invoke(gateway, "echo")), [401, "MERIDIAN_UNAUTHENTICATED"]);
  });

  const confirm = () =>
    federator.send({
      kind: "overlay",
      downClusters: [],
      validMs: 3_000,
      replicaAgeMs: 0,
      unchangedSince: at(5),
    });

  test("a table that nobody confirms decides on no placement once it is older than the limit; all else goes on", async () => {
    await start({ securityMaxAgeMs: 400 });
    const unconfirmed = [503, "MERIDIAN_ROUTES_UNCONFIRMED"];
    assert.deepEqual(await told(await invoke(gateway, "eu")), unconfirmed);
    confirm();
    await eventually(async () => (await invoke(gateway, "eu")).status === 200);
    await eventually(async () => (await invoke(gateway, "eu")).status === 503);
    assert.equal((await invoke(gateway, "echo")).status, 200);
    assert.deepEqual(await told(await invoke(gateway, "eu")), unconfirmed);
  });

  test("how old a table is outlives a restart; with the limit at 0 it never matters", async () => {
    await start();
    confirm();
    await eventually(async () => (await invoke(gateway, "eu")).status === 200);
    await gateway.stop();
    await federator.close();
    await federation.withdraw("federator", "eu-west");
    await start();
    assert.equal((await invoke(gateway, "eu")).status, 200);
    await gateway.stop();

    const stateDirectory = join(federation.directory, "zones", "eu-west", "gateway");
    const confirmedAtWallMs = Date.now() - 3_700_000;
    await writeFile(join(stateDirectory, "confirmed.json"), JSON.stringify({ confirmedAtWallMs }));
    await start();
    assert.equal((await invoke(gateway, "eu")).status, 503);
    assert.equal((await invoke(gateway, "echo")).status, 200);
    await gateway.stop();
    await start({ securityMaxAgeMs: 0 });
    assert.equal((await invoke(gateway, "eu")).status, 200);
  });

  test("a damaged table on disk is not served; the one before it is", async () => {
    await start();
    await gateway.stop();
    federator.sendTable(without(keyOfDemo), 7);
    await start();
    await acknowledged(7);
    await gateway.stop();
    await federator.close();
    await federation.withdraw("federator", "eu-west");
    const path = join(federation.directory, "zones", "eu-west", "gateway", "route-table.json");
    const stored = await readFile(path, "utf8");
    assert.match(stored, /"revision":7/);
    await writeFile(path, stored.replace("tenant-reader", "tenant-admin"));
    await start();
    assert.equal((await invoke(gateway, "echo")).status, 200);
  });
});
