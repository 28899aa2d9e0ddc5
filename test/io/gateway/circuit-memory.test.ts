import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createFunctionCircuits } from "../../../gateway/core/function-circuits.ts";

const FUNCTIONS = 100_000;
const MEGABYTES_MAX = 15;

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");
const memoryBytes = (): number => {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

test("circuits of 100,000 functions take 15 MB at most, however long their names are", (t) => {
  const beforeBytes = memoryBytes();
  const circuits = createFunctionCircuits({ next: () => 0.5 });
  for (let round = 0; round < 3; round += 1)
    for (let index = 0; index < FUNCTIONS; index += 1) {
      const name = `${"a-tenant-".repeat(6)}${index % 1_000}/${"a-function-".repeat(5)}${index}@12`;
      circuits.end("eu-west-1", name, circuits.begin("eu-west-1", name, round), "failed", round);
    }
  const megabytes = (memoryBytes() - beforeBytes) / 1e6;
  assert.equal(circuits.count(0).kept, FUNCTIONS);
  t.diagnostic(`${megabytes.toFixed(1)} MB`);
  assert.ok(megabytes <= MEGABYTES_MAX, `${megabytes} MB`);
});
