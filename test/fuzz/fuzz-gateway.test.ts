import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzzGateway, inputOf } from "./fuzz-gateway.ts";

test(
  "two thousand mutated requests make a gateway fail in no way",
  { timeout: 120_000 },
  async () => {
    const result = await fuzzGateway({
      requests: 2_000,
      seed: 20_261_121,
      connections: 32,
      onProgress: () => undefined,
    });
    assert.deepEqual(result.findings, []);
    assert.equal(result.requests, 2_000);
    assert.ok(result.agentCalls > 20, `${result.agentCalls} got as far as an agent`);
    assert.ok((result.statuses[200] ?? 0) > 100 && (result.statuses[400] ?? 0) > 500);
  },
);

test("an input is the same whenever it is asked for, and another for another seed", () => {
  const inputs = Array.from({ length: 50 }, (_, input) => inputOf(1, input).bytes);
  assert.deepEqual(
    inputs,
    Array.from({ length: 50 }, (_, input) => inputOf(1, input).bytes),
  );
  assert.notDeepEqual(
    inputs,
    Array.from({ length: 50 }, (_, input) => inputOf(2, input).bytes),
  );
  assert.ok(
    inputs.every((bytes) => !/[^\0-\u00ff]/.test(bytes)),
    "one character is one byte",
  );
});
