import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gatewayMetrics } from "../../../gateway/io/gateway-metrics.ts";
import { writeFamilies } from "../../../gateway/io/metric-families.ts";
import { requestRecord } from "./request-record.ts";
import { type MetricLine, readMetrics } from "./metrics-text.ts";

const sum = (lines: readonly MetricLine[] = []): number =>
  lines.reduce((total, { value }) => total + value, 0);

describe("the metrics of requests", () => {
  test("say how calls of each function ended, and how long they took", async () => {
    const metrics = gatewayMetrics("eu-west", () => 0);
    metrics.request(requestRecord({}, {}));
    metrics.request(requestRecord({ status: 503, outcome: "platform-error", durationMs: 400 }, {}));
    metrics.request(
      requestRecord({ status: 429, outcome: "limited" }, { limitedBy: "rate", zone: undefined }),
    );
    const families = readMetrics(await metrics.text());
    const common = { program: "gateway", zone: "eu-west" };
    const echo = { ...common, tenant: "demo", function: "echo" };
    assert.deepEqual(
      families
        .get("meridian_gateway_function_requests_total")
        ?.lines.map(({ labels, value }) => [labels, value]),
      [
        [{ ...echo, outcome: "success" }, 1],
        [{ ...echo, outcome: "limited" }, 1],
        [{ ...echo, outcome: "platform-error" }, 1],
      ],
    );
    const buckets = families
      .get("meridian_gateway_function_duration_seconds")
      ?.lines.filter(
        ({ name, labels }) => name.endsWith("_bucket") && labels["function"] === "echo",
      );
    assert.deepEqual(
      buckets?.map(({ labels, value }) => [labels["le"], value]),
      [
        ["0.005", 2],
        ["0.01", 2],
        ["0.025", 2],
        ["0.05", 2],
        ["0.1", 2],
        ["0.25", 2],
        ["0.5", 3],
        ["1", 3],
        ["2.5", 3],
        ["10", 3],
        ["+Inf", 3],
      ],
    );
    assert.deepEqual(
      families
        .get("meridian_gateway_zone_requests_total")
        ?.lines.map(({ labels }) => labels["served_by"]),
      ["eu-west", "eu-west", "_none"],
    );
    assert.equal(
      families
        .get("meridian_gateway_limited_total")
        ?.lines.find(({ labels }) => labels["limit"] === "rate")?.value,
      1,
    );
  });

  test("of a hundred thousand functions name a thousand, and lose no call of the others", async () => {
    let nowMs = 0;
    const metrics = gatewayMetrics("eu-west", () => nowMs);
    for (let call = 0; call < 100_000; call += 1)
      metrics.request(requestRecord({}, { functionName: `f-${call}` }));
    for (let round = 0; round < 3; round += 1) {
      for (let call = 0; call < 50; call += 1)
        metrics.request(requestRecord({}, { functionName: "busy" }));
      nowMs += 10_000;
      await metrics.text();
    }
    const families = readMetrics(await metrics.text());
    const requests = families.get("meridian_gateway_function_requests_total");
    assert.equal(requests?.lines.length, 1_001);
    assert.equal(sum(requests?.lines), 100_150);
    assert.equal(
      requests?.lines.find(({ labels }) => labels["function"] === "busy")?.value,
      50,
      "lost in the flood at first, watched once that is over, counted by name since the second review",
    );
    const durations = families.get("meridian_gateway_function_duration_seconds")?.lines ?? [];
    assert.equal(sum(durations.filter(({ name }) => name.endsWith("_count"))), 100_150);
    assert.equal(sum(families.get("meridian_gateway_requests_total")?.lines), 100_150);
  });

  test("a tenant or function cannot break a line whatever it is called", async () => {
    const labels = { name: 'a"b\\c\nd' };
    const read = () => [{ labels, value: 1 }];
    const text = await writeFamilies([{ kind: "counter", name: "x_total", help: "X.", read }], {});
    assert.equal(readMetrics(text).get("x_total")?.lines[0]?.labels["name"], 'a\\"b\\\\c\\nd');
  });
});
