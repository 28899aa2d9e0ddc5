import assert from "node:assert/strict";
import { test } from "node:test";
import { routeTableState } from "#lib/route-table-state.ts";
import { encodeEntry, tableDigest } from "#lib/table-digest.ts";
import { watchReadiness } from "../../../gateway/io/readiness.ts";
import { tableEntries } from "./run-gateway.ts";

const entries = tableEntries({ functions: [] });
const tables = routeTableState();
tables.take({
  kind: "full",
  nonce: 1,
  position: { incarnation: "test", revision: 1 },
  entries: entries.map(encodeEntry),
  digest: tableDigest(entries),
});
const table = tables.table();
assert.ok(table !== undefined);

function started() {
  const state = { nowMs: 1_000, hasRights: false };
  const readiness = watchReadiness(
    ["eu-west-1"],
    {
      table: () => table,
      ageMs: () => 0,
      confirmedAgeMs: () => 0,
      isOverlaid: () => false,
      hasRights: () => state.hasRights,
      hasShare: () => state.hasRights,
      giveUpRights: () => undefined,
      close: async () => undefined,
    },
    {
      health: () => ({ pings: "good", isTripped: false }),
      send: () => Promise.reject(new Error("nothing is sent here")),
      state: () => ({ missesInARow: 0, breaker: "closed", link: "framed" }),
      avoided: () => [],
      close: async () => undefined,
    },
    { nowMs: () => state.nowMs, wallMs: () => 0, sleep: async () => undefined },
  );
  return { state, readiness };
}

test("a gateway with a table is ready as soon as it has heard its rights", () => {
  const { state, readiness } = started();
  assert.match(readiness.notReady() ?? "", /may admit/);
  state.hasRights = true;
  assert.equal(readiness.notReady(), null);
});

test("two seconds after its start it is ready without them, as every federator may be dead", () => {
  const { state, readiness } = started();
  state.nowMs += 1_999;
  assert.match(readiness.notReady() ?? "", /may admit/);
  state.nowMs += 1;
  assert.equal(readiness.notReady(), null);
});
