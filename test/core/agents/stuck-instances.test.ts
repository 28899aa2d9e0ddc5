import assert from "node:assert/strict";
import { test } from "node:test";
import type { InstanceState } from "../../../agents/core/instance-lifecycle.ts";
import { stuckInstances } from "../../../agents/core/stuck-instances.ts";
import { summarizeZone } from "../../../agents/core/summarize-zone.ts";

const load = (state: InstanceState) => ({
  tenant: "demo",
  functionName: "hello",
  version: 1,
  concurrency: 1,
  queued: 0,
  instances: [{ state, usedAtMs: 1_000 }],
});

const cases: readonly { name: string; state: InstanceState; afterMs: number; isStuck: boolean }[] =
  [
    { name: "ends", state: { kind: "draining", calls: 0 }, afterMs: 9_000, isStuck: false },
    { name: "does not end", state: { kind: "draining", calls: 0 }, afterMs: 11_000, isStuck: true },
    {
      name: "ends its last call",
      state: { kind: "draining", calls: 1 },
      afterMs: 900_000,
      isStuck: false,
    },
    {
      name: "runs a call beyond every time limit",
      state: { kind: "draining", calls: 1 },
      afterMs: 920_000,
      isStuck: true,
    },
    { name: "works", state: { kind: "busy", calls: 1 }, afterMs: 9e9, isStuck: false },
    { name: "is idle", state: { kind: "idle", sinceMs: 0 }, afterMs: 9e9, isStuck: false },
    { name: "is gone", state: { kind: "gone" }, afterMs: 9e9, isStuck: false },
  ];
for (const { name, state, afterMs, isStuck } of cases)
  test(`an instance that ${name} is ${isStuck ? "" : "not "}stuck after ${afterMs / 1_000} s`, () => {
    const nowMs = 1_000 + afterMs;
    assert.equal(stuckInstances(load(state), nowMs).length, isStuck ? 1 : 0);
    const { functions } = summarizeZone("eu-west-1", 9, [load(state)], nowMs);
    assert.equal(functions[0]?.stuck, isStuck ? 1 : undefined);
  });
