import type { Logger } from "pino";
import type { Registry } from "prom-client";
import type { MetricsSource } from "#lib/io/admin-server.ts";
import { openLineLog } from "#lib/io/json-log.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { createLineLimit } from "../core/line-limit.ts";
import type { LogRules } from "../core/choose-log-lines.ts";
import type { TraceIds } from "../core/trace-context.ts";
import type { Accounting } from "../stages/account.ts";
import { accessLog } from "./access-log.ts";
import { exportSpans, type SpanExport } from "./export-spans.ts";
import { type GatewayMetrics, gatewayMetrics } from "./gateway-metrics.ts";
import type { MetricFamily } from "./metric-families.ts";
import type { RawRefusal } from "./refuse-raw.ts";

export interface ObservationOptions extends LogRules {
  readonly zone: string;
  readonly logLevel: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** With what is read at each scrape. */
  readonly registry: Registry;
  /** A collector of traces; without it none are exported. */
  readonly otlpEndpoint?: string | undefined;
  readonly traceIds: TraceIds;
}

/** What is told of requests: counted, logged, and there to be scraped. */
export interface Observation {
  readonly accounting: Accounting;
  readonly metrics: GatewayMetrics;
  /** What was answered before there was a request. */
  readonly refused: (refusal: RawRefusal) => void;
  readonly source: MetricsSource;
  readonly close: () => Promise<void>;
}

/** A write costs as much as half a request, on a thread of its own: lines gather to about this much, or for half a second. */
const BATCH_BYTES = 32_768;
/** Lines on what was no request: whoever sends such things sends many. */
const REFUSALS_PER_SECOND = 10;

export function observeGateway(options: ObservationOptions): Observation {
  const { clock, log, registry, zone } = options;
  const spans = openSpanExport(options);
  const metrics = gatewayMetrics(zone, clock.nowMs, spans === undefined ? [] : [droppedBy(spans)]);
  const output = openLineLog("gateway", zone, options.logLevel, BATCH_BYTES);
  const access = accessLog(output, options);
  const refusals = createLineLimit(REFUSALS_PER_SECOND);
  return {
    metrics,
    refused: (refusal) => {
      metrics.refusal(refusal.status);
      const leftOut = refusals(clock.nowMs());
      if (leftOut !== undefined) output.log.info({ ...refusal, leftOut }, "refused unread");
    },
    accounting: {
      record: (record) => {
        metrics.request(record);
        access.write(record);
        spans?.add(record);
      },
      unforeseen: (requestId, error) => log.error({ requestId, err: error }, "unforeseen error"),
    },
    source: {
      contentType: registry.contentType,
      metrics: async () => `${await registry.metrics()}\n${await metrics.text()}`,
    },
    close: async () => {
      access.close();
      await spans?.close();
    },
  };
}

function openSpanExport(options: ObservationOptions): SpanExport | undefined {
  const { otlpEndpoint, traceIds } = options;
  if (otlpEndpoint === undefined) return undefined;
  return exportSpans({ ...options, otlpEndpoint, freshSpanId: traceIds.spanId });
}

const droppedBy = (spans: SpanExport): MetricFamily => ({
  kind: "counter",
  name: "meridian_gateway_spans_dropped_total",
  help: "Spans of traces that no collector took.",
  read: () => [{ labels: {}, value: spans.dropped() }],
});
