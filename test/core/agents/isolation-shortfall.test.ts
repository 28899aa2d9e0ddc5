import assert from "node:assert/strict";
import { test } from "node:test";
import type { IsolationLevel } from "#lib/contracts/isolation.ts";
import { isolationShortfall } from "../../../agents/core/isolation-shortfall.ts";

const report = {
  level: "L3" as const,
  provedAtMs: 1,
  checks: [],
  notes: ["Memory is watched from outside.", "L4 is not offered: gVisor does not start here: EOF."],
};
const told = (minIsolation: IsolationLevel) =>
  isolationShortfall({ name: "caged", minIsolation }, report)?.message;

test("who asks for a level that is not offered is told why not, and who asks for another is not", () => {
  const proved = "This cluster has proved L3, and caged asks for";
  assert.equal(
    told("L4"),
    `${proved} L4; the function was not started. L4 is not offered: gVisor does not start here: EOF.`,
  );
  assert.equal(told("L5"), `${proved} L5; the function was not started.`);
  assert.equal(told("L3"), undefined);
});
