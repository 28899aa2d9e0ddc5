import type { Logger } from "pino";
import { Agent } from "undici";
import type { Clock } from "#lib/ports/clock.ts";
import { attributesOf, describeSpans, type OtlpSpan } from "../core/describe-spans.ts";
import type { RequestRecord } from "../stages/account.ts";

export interface SpanExportOptions {
  /** Of a collector that takes OTLP over HTTP, `/v1/traces` left out. */
  readonly otlpEndpoint: string;
  readonly zone: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly freshSpanId: () => string;
}

export interface SpanExport {
  readonly add: (record: RequestRecord) => void;
  /** Spans that no collector took, since the start. */
  readonly dropped: () => number;
  readonly close: () => Promise<void>;
}

/** As OpenTelemetry's own batches are: queue, batch and pause of its BatchSpanProcessor. */
const QUEUE_MAX = 2_048;
const BATCH_MAX = 512;
const PAUSE_MS = 5_000;
/** Also what a gateway that stops may wait for a collector that hangs. */
const TIMEOUT_MS = 2_000;

/** Tells a collector of sampled calls, in batches. Calls never wait for it, and what it does not take is dropped. */
export function exportSpans(options: SpanExportOptions): SpanExport {
  const { clock, log, freshSpanId } = options;
  const { origin, pathname } = new URL(`${options.otlpEndpoint.replace(/\/+$/, "")}/v1/traces`);
  const agent = new Agent({ connect: { timeout: TIMEOUT_MS }, keepAliveTimeout: 4_000 });
  const stopping = new AbortController();
  let queue: OtlpSpan[] = [];
  let dropped = 0;
  let isTaken = true;

  const send = async (spans: readonly OtlpSpan[]): Promise<void> => {
    const { statusCode, body } = await agent.request({
      origin,
      path: pathname,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(describeBatch(spans, options.zone)),
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
    });
    await body.dump();
    if (statusCode >= 300) throw new Error(`the collector answered ${statusCode}`);
  };
  const sendAll = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue.slice(0, BATCH_MAX);
      queue = queue.slice(batch.length);
      try {
        await send(batch);
        isTaken = true;
      } catch (error) {
        dropped += batch.length;
        if (isTaken) log.warn({ err: error }, "spans could not be exported; calls go on");
        isTaken = false;
        return;
      }
    }
  };
  const sendForEver = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await clock.sleep(PAUSE_MS, stopping.signal).catch(() => undefined);
      await sendAll();
    }
  };
  const sending = sendForEver();

  return {
    add: (record) => {
      if (!record.trace.isSampled || record.receipt.functionName === undefined) return;
      const spans = spansOf(record, clock.wallMs() - clock.nowMs(), freshSpanId);
      if (queue.length + spans.length > QUEUE_MAX) dropped += spans.length;
      else queue.push(...spans);
    },
    dropped: () => dropped,
    close: async () => {
      stopping.abort(new Error("the export was closed"));
      await sending;
      await agent.destroy();
    },
  };
}

/** Names of OpenTelemetry's conventions where it has them (https://opentelemetry.io/docs/specs/semconv/). */
function spansOf(
  record: RequestRecord,
  epochOfClockMs: number,
  freshSpanId: () => string,
): readonly OtlpSpan[] {
  const { receipt, trace, outcome, errorCode, receivedAtMs, answeredAtMs } = record;
  const { tenant, functionName, version, marks, attemptNotes } = receipt;
  const attributes = {
    "http.request.method": record.method,
    "http.response.status_code": record.status,
    "faas.invoked_name": functionName,
    "faas.version": version === undefined ? undefined : String(version),
    "faas.coldstart": receipt.isColdStart,
    "meridian.tenant": tenant,
    "meridian.cluster": receipt.clusterId,
    "meridian.attempts": receipt.attempts,
    "meridian.request_id": record.requestId,
    "error.type": errorCode,
  };
  const name = `${record.doorKind} ${tenant}/${functionName}`;
  const finishedAtMs = receivedAtMs + record.durationMs;
  const times = { receivedAtMs, answeredAtMs, finishedAtMs, marks, attemptNotes };
  const call = { ...times, trace, name, outcome, errorCode, attributes };
  return describeSpans(call, epochOfClockMs, freshSpanId);
}

const describeBatch = (spans: readonly OtlpSpan[], zone: string) => ({
  resourceSpans: [
    {
      resource: {
        attributes: attributesOf({
          "service.name": "meridian-gateway",
          "service.instance.id": `${zone}.${process.pid}`,
          "meridian.zone": zone,
        }),
      },
      scopeSpans: [{ scope: { name: "meridian" }, spans }],
    },
  ],
});
