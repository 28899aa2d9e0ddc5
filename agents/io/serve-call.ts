import type { Logger } from "pino";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { toMeridianError } from "#lib/problem.ts";
import { type ArrivalTime, buildEvent } from "../core/build-event.ts";
import { buildRequest } from "../core/build-request.ts";
import type { CallEnding } from "../core/decide-replay.ts";
import type { ServedAnswer } from "../core/read-answer.ts";
import { type Call, readCall } from "../core/read-call.ts";
import { readReplayKey } from "../core/replay-key.ts";
import type { CallInput } from "../drivers/driver.ts";
import type { AgentMetrics } from "./agent-metrics.ts";
import { type AnswerPlace, failureAnswer, outcomeAnswer } from "./answer-outcome.ts";
import type { CallOutcome, PoolCall } from "./call-outcome.ts";
import type { Exchange, ServeExchange, StreamedRequest } from "./exchange.ts";
import type { InstancePools } from "./instance-pools.ts";
import type { PlacedVersions } from "./placed-versions.ts";
import type { PoolVersion } from "./pool-version.ts";
import type { Execute, Execution, KeyedCall, ReplayedAnswers } from "./replayed-answers.ts";
import { endOfStream } from "./run-call.ts";
import type { UsageRecorder } from "./usage-recorder.ts";

export interface ServeCallPorts {
  readonly place: AnswerPlace;
  readonly clock: Clock;
  readonly versions: PlacedVersions;
  readonly pools: InstancePools;
  readonly metrics: AgentMetrics;
  readonly usage: Pick<UsageRecorder, "answered" | "sent">;
  readonly log: Logger;
  readonly replays: ReplayedAnswers;
  /** For the function's log: its owner finds the failure under the request id. */
  readonly onFunctionError: (of: PoolVersion, requestId: string, outcome: FunctionError) => void;
}

type FunctionError = Extract<CallOutcome, { kind: "function-error" }>;

/** Runs a call from its head to its answer, or gives it the answer of the one that it repeats. */
export function serveCall(ports: ServeCallPorts): ServeExchange {
  const { clock, place, versions } = ports;
  return async (exchange) => {
    const { headers, callerGone, leave } = exchange;
    const arrivedAtMs = clock.nowMs();
    const call = readCall(headers);
    const [body, of] = await Promise.all([bodyOf(exchange), versions.find(call)]);
    const pooled = {
      requestId: call.requestId,
      input: await inputOf(of, call, body, exchange, clock.wallMs()),
      deadlineAtMs: arrivedAtMs + call.deadlineMs,
      trace: call.trace,
    };
    const execute: Execute = (executionLeave, signal) =>
      runCall(ports, call, of, { ...pooled, signal, leave: executionLeave }, arrivedAtMs);

    const key = Buffer.isBuffer(body) ? readReplayKey(headers, call, body) : undefined;
    if (key === undefined) return (await execute(leave, callerGone)).answer;
    const { idempotent: isIdempotent } = of.version.manifest;
    const failure: KeyedCall["failure"] = (error, isExecuted) =>
      failureAnswer(place, call, error, isExecuted);
    return ports.replays({ ...pooled, key, isIdempotent, callerGone, leave, failure }, execute);
  };
}

/** A body that is streamed goes on as it comes, unless the call has a key: what it asks is then part of the key. */
async function bodyOf({
  headers,
  readBody,
  streamed,
}: Exchange): Promise<Buffer | StreamedRequest> {
  const isKeyed = headers[INVOCATION_HEADERS.idempotencyKey] !== undefined;
  if (streamed === undefined || (isKeyed && streamed.upgrade === undefined)) return readBody();
  return streamed;
}

async function inputOf(
  of: PoolVersion,
  call: Call,
  body: Buffer | StreamedRequest,
  { readBody }: Exchange,
  wallMs: number,
): Promise<CallInput> {
  const upgrade = Buffer.isBuffer(body) ? undefined : body.upgrade;
  if (of.version.manifest.interface === "http")
    return { kind: "request", request: { ...buildRequest(call), body, upgrade } };
  if (upgrade !== undefined) throw upgradeUnsupported(upgrade);
  const whole = Buffer.isBuffer(body) ? body : await readBody();
  return { kind: "event", json: buildEvent(call, whole, arrivalTime(wallMs)) };
}

async function runCall(
  { clock, place, pools, metrics, usage, log, onFunctionError }: ServeCallPorts,
  call: Call,
  of: PoolVersion,
  pooled: PoolCall,
  arrivedAtMs: number,
): Promise<Execution> {
  try {
    const outcome = await pools.run(of, pooled);
    const ended = (end: CallOutcome): void => {
      metrics.callEnded(end, clock.nowMs() - arrivedAtMs);
      if (end.kind === "function-error") onFunctionError(of, call.requestId, end);
    };
    if (outcome.kind === "streamed")
      void outcome.over.then((over) => ended(endOfStream(over, outcome.coldStart)));
    else ended(outcome);
    const answer = outcomeAnswer(place, call, of.version.manifest, outcome);
    usage.answered(of, outcome, "stream" in answer ? 0 : answer.body.length);
    const metered = meteredAnswer(answer, (bytes) => usage.sent(of, bytes));
    return { answer: metered, ending: endingOf(outcome) };
  } catch (cause) {
    // From here on nobody may claim that the function was not started.
    log.error({ err: cause, requestId: call.requestId }, "a call's outcome could not be told");
    return { answer: failureAnswer(place, call, toMeridianError(cause), true), ending: "unknown" };
  }
}

/** Counts what is sent of a stream as it goes. */
function meteredAnswer(answer: ServedAnswer, onBytes: (bytes: number) => void): ServedAnswer {
  if (!("stream" in answer)) return answer;
  const { stream } = answer;
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of stream) {
      onBytes(chunk.length);
      yield chunk;
    }
  };
  const metered = {
    [Symbol.asyncIterator]: counted,
    destroy: (reason?: Error) => stream.destroy(reason),
  };
  return { ...answer, stream: metered };
}

function endingOf(outcome: CallOutcome): CallEnding {
  if (outcome.kind !== "failed") return "told";
  return outcome.isExecuted ? "unknown" : "not-executed";
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function arrivalTime(epochMs: number): ArrivalTime {
  const [day = "", time = ""] = new Date(epochMs).toISOString().split("T");
  const [year, month, date] = day.split("-");
  return {
    epochMs,
    text: `${date}/${MONTHS[Number(month) - 1]}/${year}:${time.slice(0, 8)} +0000`,
  };
}

const upgradeUnsupported = (protocol: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_UPGRADE_UNSUPPORTED",
    `The function is a handler and cannot speak ${protocol}; one that is a server ("interface": "http" in meridian.json) can.`,
  );
