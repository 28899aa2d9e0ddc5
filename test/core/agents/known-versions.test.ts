import assert from "node:assert/strict";
import { test } from "node:test";
import { Value } from "typebox/value";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { FunctionRoute } from "#lib/contracts/route-table.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import { allowsZone } from "#lib/residency.ts";
import { findVersion, keepFormerVersions } from "../../../agents/core/known-versions.ts";
import { summarizeZone } from "../../../agents/core/summarize-zone.ts";

const manifest = Value.Parse(
  FunctionManifest,
  Value.Default(FunctionManifest, { name: "hello", placement: {} }),
);
const route = (...versions: number[]): FunctionRoute => ({
  kind: "function",
  tenant: "demo",
  functionName: "hello",
  aliases: {},
  versions: versions.map((version) => ({
    version,
    codeDigest: `sha256:${String(version).padStart(64, "0")}`,
    codeBytes: 1,
    manifest,
  })),
});
const table = (...routes: FunctionRoute[]): RouteTable => ({
  position: { incarnation: "one", revision: 1 },
  digest: "",
  entries: new Map(routes.map((entry) => ["function/demo/hello", entry])),
});
const find =
  (newest: RouteTable, former: ReturnType<typeof keepFormerVersions>, version: number) =>
  (nowMs: number) =>
    findVersion(newest.entries, former, "demo", "hello", version, nowMs)?.version;

test("a version that lost its alias is still served for a minute, then forgotten", () => {
  const newest = table(route(2));
  const former = keepFormerVersions(new Map(), [{ before: route(1), after: route(2) }], 0);
  assert.equal(find(newest, former, 2)(0), 2);
  assert.equal(find(newest, former, 1)(59_999), 1);
  assert.equal(find(newest, former, 1)(60_000), undefined);
  assert.equal(keepFormerVersions(former, [], 60_000).size, 0);
});

test("a deleted function is forgotten at once, its former versions too", () => {
  const former = keepFormerVersions(new Map(), [{ before: route(1), after: route(2) }], 0);
  const after = keepFormerVersions(former, [{ before: route(2), after: undefined }], 1);
  assert.equal(after.size, 0);
  assert.equal(find(table(), former, 1)(1), undefined);
  assert.equal(find(table(), former, 2)(1), undefined);
});

test("what was never known is not found", () => {
  assert.equal(findVersion(undefined, new Map(), "demo", "hello", 1, 0), undefined);
  assert.equal(find(table(route(1)), new Map(), 2)(0), undefined);
});

test("a placement without regions allows any zone, otherwise its region or jurisdiction must be named", () => {
  const zone = {
    name: "eu-west",
    region: "eu-west",
    jurisdiction: "eu",
    clusterId: "eu-west-1",
    latitudeDegrees: 0,
    longitudeDegrees: 0,
  };
  assert.equal(allowsZone([], zone), true);
  assert.equal(allowsZone(["us", "eu"], zone), true);
  assert.equal(allowsZone(["eu-west"], zone), true);
  assert.equal(allowsZone(["us"], zone), false);
});

test("the report counts by state, tells what is quarantined and leaves out what is at zero", () => {
  const of = { tenant: "demo", functionName: "hello" };
  const idle = { state: { kind: "idle", sinceMs: 0 } } as const;
  const report = summarizeZone(
    "eu-west-1",
    9,
    [
      { ...of, version: 1, concurrency: 1, queued: 0, instances: [] },
      {
        ...of,
        version: 2,
        concurrency: 5,
        queued: 4,
        instances: [
          idle,
          { state: { kind: "busy", calls: 3 } },
          { state: { kind: "starting" } },
          { state: { kind: "draining", calls: 2 } },
        ],
      },
      { ...of, version: 3, concurrency: 1, queued: 0, isQuarantined: true, instances: [idle] },
    ],
    0,
  );
  assert.deepEqual(report, {
    program: "agent",
    clusterId: "eu-west-1",
    instancesMax: 9,
    capacitySlots: 3 * 5 + 1 + 5,
    quarantined: 1,
    inFlight: 5,
    functions: [
      { ...of, version: 2, starting: 1, idle: 1, busy: 1, queued: 4 },
      { ...of, version: 3, starting: 0, idle: 1, busy: 0, queued: 0 },
    ],
  });
});
