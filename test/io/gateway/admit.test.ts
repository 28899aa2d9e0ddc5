import assert from "node:assert/strict";
import { test } from "node:test";
import type { AdmittedCall, PermittedCall } from "../../../gateway/call.ts";
import { createDemandMeter } from "../../../gateway/core/measure-demand.ts";
import { createTenantLimits } from "../../../gateway/core/tenant-limits.ts";
import { admit } from "../../../gateway/stages/admit.ts";

const UPLOAD_MS = 60_000;
const LIMITS = { "requests-per-second": 1_000, burst: 1_000, concurrency: 10 };

/** A call whose body takes a minute to arrive, and the deadline that it gets. */
async function deadlineOf(headers: Readonly<Record<string, string>>): Promise<number> {
  let nowMs = 1_000;
  const clock = { nowMs: () => nowMs, wallMs: () => nowMs, sleep: () => Promise.resolve() };
  const limits = createTenantLimits(1_000_000, 0);
  const arrival = {
    receivedAtMs: nowMs,
    headers,
    finished: Promise.resolve(),
    readBody: async () => {
      nowMs += UPLOAD_MS;
      return new Uint8Array();
    },
  };
  const version = { manifest: { timeoutMs: 3_000 } };
  const door = { tenant: "demo" };
  const call = { arrival, version, door, limits: LIMITS, receipt: {} } as unknown as PermittedCall;
  let admitted: AdmittedCall | undefined;
  await admit({ clock, limits, demand: createDemandMeter() })(async (next) => {
    admitted = next;
    return { status: 200, headers: {}, body: "" };
  })(call);
  return (admitted?.deadlineAtMs ?? 0) - arrival.receivedAtMs;
}

test("a slow upload uses up none of the function's time, and all of what its caller asked for", async () => {
  assert.equal(await deadlineOf({}), UPLOAD_MS + 3_000 + 10_000);
  assert.equal(await deadlineOf({ "meridian-timeout-ms": "5000" }), 5_000);
});
