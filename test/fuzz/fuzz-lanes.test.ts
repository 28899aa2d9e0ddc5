import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzzLanes } from "./fuzz-lanes.ts";

test(
  "two thousand connections are answered alike by both lanes of the door",
  { timeout: 240_000 },
  async () => {
    const result = await fuzzLanes({
      cases: 2_000,
      seed: 20_261_121,
      pairs: 64,
      onProgress: () => undefined,
    });
    assert.deepEqual(result.differences, []);
    assert.equal(result.cases, 2_000);
    assert.ok(result.servedFast > 1_000, `${result.servedFast} of ${result.requests}`);
    assert.ok(result.requests - result.servedFast > 500, "Node's server has its share");
  },
);
