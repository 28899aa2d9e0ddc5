import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import { latestValue } from "#lib/latest-value.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import type { ExpectedCalls } from "../../../agents/io/instance-pools.ts";
import { standIn } from "../../../agents/io/stand-in.ts";
import { manualClock } from "../catalog/support/manual-clock.ts";
import { ZONES } from "../federator-api/zones.ts";
import { versionOf } from "./support/virtual-pools.ts";

const [home, near, far] = ZONES;
assert.ok(home !== undefined && near !== undefined && far !== undefined);

/** The stand-in of the first zone's agent, and what it expects by function. */
function world(running: readonly { readonly of: string; readonly calls: number }[] = []) {
  const clock = manualClock();
  const avoided = latestValue<readonly string[]>([]);
  const table = latestValue<RouteTable | undefined>(tableWith([]));
  let expected: readonly ExpectedCalls[] = [];
  const loads = () =>
    running.map(({ of, calls }) => ({
      tenant: "demo",
      functionName: of,
      version: 1,
      concurrency: 1,
      queued: 0,
      instances: Array.from({ length: calls }, () => ({
        state: { kind: "busy", calls: 1 } as const,
      })),
    }));
  const named = ({ functionName }: { readonly functionName: string }) =>
    functionName === "unknown" ? undefined : versionOf(functionName);
  const its = standIn({
    zone: home ?? assert.fail(),
    zones: ZONES,
    table,
    avoided,
    pools: { expect: (calls) => (expected = calls), loads },
    versions: { named },
    clock,
  });
  const ran = (zone: string, functionName: string, calls: number) => ({
    zone,
    calls: [{ tenant: "demo", functionName, version: 1, calls }],
  });
  const expectedNow = () =>
    Object.fromEntries(expected.map(({ of, calls }) => [of.functionName, calls]));
  return { ...its, clock, avoided, table, ran, expectedNow };
}

/** A cell tells its listeners right after what set it. */
const told = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

function tableWith(down: readonly string[]): RouteTable {
  const entries = ZONES.map((zone): [string, RouteEntry] => [
    `cluster/${zone.clusterId}`,
    {
      kind: "cluster",
      ...zone,
      state: down.includes(zone.clusterId) ? "down" : "up",
      weightPercent: 100,
    },
  ]);
  return { position: { incarnation: "one", revision: 1 }, digest: "", entries: new Map(entries) };
}

test("while every cluster serves, nothing is expected", async () => {
  const { heard, ran, expectedNow } = world();
  heard([ran(near.name, "hello", 8)]);
  assert.deepEqual(expectedNow(), {});
});

test("the calls of a cluster that the zone avoids are expected at once, as far as the plan sends them here", async () => {
  const { heard, ran, expectedNow, avoided } = world();
  heard([ran(near.name, "hello", 8), ran(far.name, "other", 3)]);
  avoided.set([near.clusterId, far.clusterId]);
  await told();
  assert.deepEqual(expectedNow(), { hello: 8, other: 3 }, "there is no other cluster");
  avoided.set([]);
  await told();
  assert.deepEqual(expectedNow(), {});
});

test("and by the federation's verdict, on top of what runs here already", async () => {
  const { heard, ran, expectedNow, table } = world([{ of: "hello", calls: 2 }]);
  heard([ran(near.name, "hello", 8)]);
  table.set(tableWith([near.clusterId, far.clusterId]));
  await told();
  assert.deepEqual(expectedNow(), { hello: 10 });
});

test("what a cluster ran before it was lost counts, not what is heard of it afterwards, and for half a minute", async () => {
  const { heard, ran, expectedNow, avoided, clock } = world();
  heard([ran(near.name, "hello", 8)]);
  avoided.set([near.clusterId, far.clusterId]);
  await told();
  heard([]);
  assert.deepEqual(expectedNow(), { hello: 8 });
  await clock.advance(30_001);
  heard([]);
  assert.deepEqual(expectedNow(), {});
});

test("versions that this cluster does not know are left to their first call", async () => {
  const { heard, ran, expectedNow, avoided } = world();
  heard([ran(near.name, "unknown", 8)]);
  avoided.set([near.clusterId]);
  await told();
  assert.deepEqual(expectedNow(), {});
});

test("what the plan sends to another survivor is not expected here", async () => {
  const { heard, ran, expectedNow, avoided } = world();
  heard([ran(far.name, "hello", 10)]);
  avoided.set([far.clusterId]);
  await told();
  // All zones of this world are in one place: of two that are as near, the first by name takes everything.
  const isHomeFirst = home.clusterId < near.clusterId;
  assert.deepEqual(expectedNow(), isHomeFirst ? { hello: 10 } : {});
});
