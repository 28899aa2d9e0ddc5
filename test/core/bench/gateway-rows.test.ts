import assert from "node:assert/strict";
import { test } from "node:test";
import { toGatewayRows } from "../../../bench/gateway/rows.ts";
import type { FullReading, SteadyReading, WayRounds } from "../../../bench/gateway/rounds.ts";

const COMPARED = { nginx: "nginx with layers", go: "Go with layers" };
const NOTHING_STEADY: SteadyReading = {
  p50Micros: 0,
  p99Micros: 0,
  slipP99Micros: 0,
  cpuMicrosPerRequest: 0,
  errors: 0,
};

const reading = (cpuMicrosPerRequest: number): FullReading => ({
  requestsPerSecond: 1_000,
  cpuMicrosPerRequest,
  busyPercent: 99.4,
  p50Micros: 10,
  p99Micros: 20,
  errors: 0,
});

const rounds = (
  name: string,
  micros: readonly number[],
  pids: readonly number[] = [1],
): WayRounds => ({
  way: { name, url: "", headers: {}, pids },
  full: micros.map(reading),
  steady: [NOTHING_STEADY],
});

test("a way is compared by the medians of its rounds: twice as cheap is 2", () => {
  const [gateway] = toGatewayRows(
    [
      rounds("gateway", [20, 90, 25]),
      rounds(COMPARED.nginx, [10, 11, 10]),
      rounds(COMPARED.go, [50]),
    ],
    COMPARED,
  );
  assert.equal(gateway?.cpuMicrosPerRequest, 25);
  assert.equal(gateway?.againstNginx, 0.4);
  assert.equal(gateway?.againstGo, 2);
  assert.equal(gateway?.busyPercent, 99);
});

test("a peer that is not on this machine is compared with nothing", () => {
  const [gateway] = toGatewayRows([rounds("gateway", [20])], COMPARED);
  assert.equal(gateway?.againstNginx, null);
  assert.equal(gateway?.againstGo, null);
});

test("where there is no proxy between, there is no CPU time of one", () => {
  const [straight] = toGatewayRows([rounds("straight", [0], [])], COMPARED);
  assert.equal(straight?.cpuMicrosPerRequest, null);
  assert.equal(straight?.againstGo, null);
});
