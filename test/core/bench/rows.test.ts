import assert from "node:assert/strict";
import { test } from "node:test";
import { type Reading, toRows } from "../../../bench/rows.ts";

const PROXIES = new Set(["gateway", "nginx"]);

function reading(cpuMicrosPerRequest: number | null, requestsPerSecond = 100): Reading {
  return { requestsPerSecond, cpuMicrosPerRequest, p50Micros: 10, p99Micros: 20, errors: 1 };
}

function variant(name: string, ...readings: readonly Reading[]) {
  return { variant: name, cpuOf: name, readings };
}

test("a row holds the medians of its rounds, and all their errors", () => {
  const [row] = toRows(
    [variant("gateway", reading(50, 90), reading(10, 300), reading(30, 100))],
    PROXIES,
  );
  assert.equal(row?.cpuMicrosPerRequest, 30);
  assert.equal(row?.requestsPerSecond, 100);
  assert.equal(row?.errors, 3);
});

test("of an even number of rounds, the median is between the two in the middle", () => {
  const [row] = toRows([variant("gateway", reading(10), reading(20))], PROXIES);
  assert.equal(row?.cpuMicrosPerRequest, 15);
});

test("ratios above 1 mean cheaper than the other, and only proxies are compared", () => {
  const rows = toRows(
    [variant("gateway", reading(50)), variant("agent", reading(70)), variant("nginx", reading(25))],
    PROXIES,
  );
  assert.deepEqual(
    rows.map(({ ratios }) => ratios),
    [{ nginx: 0.5 }, {}, { gateway: 2 }],
  );
});

test("where CPU time cannot be read, it is null and nothing is compared with it", () => {
  const rows = toRows([variant("gateway", reading(null)), variant("nginx", reading(25))], PROXIES);
  assert.equal(rows[0]?.cpuMicrosPerRequest, null);
  assert.deepEqual(rows[1]?.ratios, {});
});
