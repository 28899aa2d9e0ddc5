import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "pino";
import { BODY_BYTES_MAX } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { toMeridianError } from "#lib/problem.ts";
import { type ArrivalTime, buildEvent } from "../core/build-event.ts";
import { readCall } from "../core/read-call.ts";
import type { AgentMetrics } from "./agent-metrics.ts";
import type { CallOutcome } from "./call-outcome.ts";
import type { InstancePools } from "./instance-pools.ts";
import type { PlacedVersions } from "./placed-versions.ts";
import type { PoolVersion } from "./pool-version.ts";
import { type AnswerPlace, sendOutcome } from "./write-answer.ts";

export interface ServeCallPorts {
  readonly place: AnswerPlace;
  readonly clock: Clock;
  readonly versions: PlacedVersions;
  readonly pools: InstancePools;
  readonly metrics: AgentMetrics;
  readonly log: Logger;
  /** For the function's log: its owner finds the failure under the request id. */
  readonly onFunctionError: (of: PoolVersion, requestId: string, outcome: FunctionError) => void;
}

type FunctionError = Extract<CallOutcome, { kind: "function-error" }>;

/** Answers one `POST /invoke`. What it throws was refused before anything of the function ran. */
export function serveCall(ports: ServeCallPorts) {
  const { clock, place, versions, pools, metrics, log } = ports;
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const arrivedAtMs = clock.nowMs();
    const call = readCall(request.headers);
    const callerGone = new AbortController();
    response.once("close", () => {
      if (!response.writableFinished) callerGone.abort();
    });
    const [body, of] = await Promise.all([readBody(request), versions.find(call)]);
    const event = buildEvent(call, body, arrivalTime(clock.wallMs()));
    const pooled = {
      requestId: call.requestId,
      event,
      deadlineAtMs: arrivedAtMs + call.deadlineMs,
      signal: callerGone.signal,
    };
    try {
      const outcome = await pools.run(of, pooled);
      metrics.callEnded(outcome, clock.nowMs() - arrivedAtMs);
      if (outcome.kind === "function-error") ports.onFunctionError(of, call.requestId, outcome);
      sendOutcome(response, place, call, of.version.manifest.contentType, outcome);
    } catch (cause) {
      // From here on nobody may claim that the function was not started.
      log.error({ err: cause, requestId: call.requestId }, "a call's outcome could not be sent");
      const failed = { kind: "failed", error: toMeridianError(cause), isExecuted: true } as const;
      sendOutcome(response, place, call, "", failed);
    }
  };
}

/** Over the limit the rest is read and thrown away: a broken connection would hide the answer. */
function readBody(request: IncomingMessage): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  if (Number(request.headers["content-length"] ?? 0) > BODY_BYTES_MAX) reject(tooLarge());
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) return chunks.push(chunk);
    chunks.length = 0;
    return reject(tooLarge());
  });
  request.once("end", () => resolve(Buffer.concat(chunks)));
  request.once("close", () => reject(broken()));
  return promise;
}

const tooLarge = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_BODY_TOO_LARGE",
    `A call's body has at most ${BODY_BYTES_MAX} bytes; pass a reference to larger data instead.`,
  );

const broken = (): MeridianError =>
  new MeridianError("MERIDIAN_BAD_REQUEST", "The call broke off before its body was complete.");

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function arrivalTime(epochMs: number): ArrivalTime {
  const [day = "", time = ""] = new Date(epochMs).toISOString().split("T");
  const [year, month, date] = day.split("-");
  return {
    epochMs,
    text: `${date}/${MONTHS[Number(month) - 1]}/${year}:${time.slice(0, 8)} +0000`,
  };
}
