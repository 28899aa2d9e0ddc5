import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { pino } from "pino";
import { Type } from "typebox";
import { Value } from "typebox/value";
import type { Clock } from "#lib/ports/clock.ts";
import { exportSpans, type SpanExport } from "../../../gateway/io/export-spans.ts";
import { eventually } from "./run-gateway.ts";
import { requestRecord } from "./request-record.ts";

const Batch = Type.Object({
  resourceSpans: Type.Array(
    Type.Object({
      scopeSpans: Type.Array(
        Type.Object({ spans: Type.Array(Type.Object({ name: Type.String() })) }),
      ),
    }),
  ),
});

/** A collector on a real socket that says `status`, and keeps the names of the spans it was sent. */
async function startCollector(t: TestContext, status: { code: number }) {
  const batches: string[][] = [];
  const paths: string[] = [];
  const take = (body: string): void => {
    const batch = Value.Parse(Batch, JSON.parse(body));
    batches.push(
      batch.resourceSpans.flatMap(({ scopeSpans }) =>
        scopeSpans.flatMap(({ spans }) => spans.map(({ name }) => name)),
      ),
    );
  };
  const server = createServer((request, response) => {
    paths.push(request.url ?? "");
    void text(request).then((body) => {
      take(body);
      response.writeHead(status.code).end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { batches, paths, url: `http://127.0.0.1:${port}/otlp/` };
}

/** An export whose pauses end when the test says so. */
function startExport(otlpEndpoint: string): SpanExport & { readonly endPause: () => void } {
  let endPause = (): void => undefined;
  const clock: Clock = {
    nowMs: () => 0,
    wallMs: () => 1_800_000_000_000,
    sleep: (_, signal) =>
      new Promise((resolve) => {
        endPause = resolve;
        signal?.addEventListener("abort", () => resolve(), { once: true });
      }),
  };
  const log = pino({ level: "silent" });
  const freshSpanId = (): string => "c".repeat(16);
  const spans = exportSpans({ otlpEndpoint, zone: "eu-west", clock, log, freshSpanId });
  return { ...spans, endPause: () => endPause() };
}

test("sampled calls are sent in batches, and the rest of them when the gateway stops", async (t) => {
  const collector = await startCollector(t, { code: 200 });
  const spans = startExport(collector.url);
  const { trace } = requestRecord({}, {});
  for (let call = 0; call < 600; call += 1) spans.add(requestRecord({}, {}));
  spans.add(requestRecord({ trace: { ...trace, isSampled: false } }, {}));
  spans.add(requestRecord({ doorKind: "healthz" }, { functionName: undefined }));
  spans.endPause();
  await eventually(() => collector.batches.length === 2);
  assert.deepEqual(
    collector.batches.map(({ length }) => length),
    [512, 88],
  );
  spans.add(requestRecord({}, {}));
  await spans.close();
  assert.deepEqual(collector.batches.at(-1), ["invoke demo/echo"]);
  assert.deepEqual(new Set(collector.paths), new Set(["/otlp/v1/traces"]));
  assert.equal(spans.dropped(), 0);
});

test("what a collector does not take is dropped and counted, and the next batch is tried all the same", async (t) => {
  const status = { code: 503 };
  const collector = await startCollector(t, status);
  const spans = startExport(collector.url);
  spans.add(requestRecord({}, {}));
  spans.endPause();
  await eventually(() => spans.dropped() === 1);
  status.code = 200;
  spans.add(requestRecord({}, {}));
  await spans.close();
  assert.equal(collector.batches.length, 2);
  assert.equal(spans.dropped(), 1);
});

test("without a collector no more than 2,048 spans wait", async () => {
  const spans = startExport("http://127.0.0.1:9");
  for (let call = 0; call < 3_000; call += 1) spans.add(requestRecord({}, {}));
  assert.equal(spans.dropped(), 3_000 - 2_048);
  await spans.close();
});
