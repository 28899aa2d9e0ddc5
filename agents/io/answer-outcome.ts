import type { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { ANSWER_HEADERS } from "#lib/contracts/invocation.ts";
import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import { MeridianError } from "#lib/errors.ts";
import { PROBLEM_TYPE, toMeridianError, toProblem } from "#lib/problem.ts";
import { errorObject } from "../core/function-error.ts";
import type { Call } from "../core/read-call.ts";
import {
  type FunctionAnswer,
  readHead,
  readHttpAnswer,
  readInvokeAnswer,
  type SaidHead,
  type ServedAnswer,
} from "../core/read-answer.ts";
import type { StreamingAnswer } from "../drivers/driver.ts";
import {
  type CallOutcome,
  type CallTiming,
  type ColdStart,
  coldStartPhases,
} from "./call-outcome.ts";

/** Named on every answer. */
export interface AnswerPlace {
  readonly zone: string;
  readonly clusterId: string;
}

/** What became of a call, as its door has it. */
export function outcomeAnswer(
  place: AnswerPlace,
  call: Call,
  { runtime, contentType }: Pick<FunctionManifest, "runtime" | "contentType">,
  outcome: CallOutcome,
): ServedAnswer {
  const headers = {
    ...placeHeaders(place, call.requestId, call.version),
    ...timingHeaders(outcome.timing),
  };
  switch (outcome.kind) {
    case "failed":
      return failureAnswer(place, call, outcome.error, outcome.isExecuted, outcome.timing);
    case "function-error": {
      const answer =
        call.door.kind === "invoke"
          ? errorAnswer(outcome.errorKind, errorObject(runtime, call.requestId, outcome.error))
          : problemAnswer(functionFailed(outcome.error), call.requestId);
      return marked(answer, { ...headers, ...coldStartHeaders(outcome.coldStart) }, true);
    }
    case "result": {
      const done = { ...headers, ...coldStartHeaders(outcome.coldStart) };
      if (call.door.kind === "invoke")
        return marked(readInvokeAnswer(outcome.json, contentType), done, true);
      const reading = readHttpAnswer(outcome.json);
      const answer =
        reading.kind === "answer"
          ? reading.answer
          : problemAnswer(invalidAnswer(reading.reason), call.requestId);
      return marked(answer, done, true);
    }
    case "answer": {
      const answer = serverAnswer(outcome.head, outcome.body, call.requestId);
      return marked(answer, { ...headers, ...coldStartHeaders(outcome.coldStart) }, true);
    }
    case "streamed": {
      const answer = streamedAnswer(outcome.answer, call.requestId);
      return marked(answer, { ...headers, ...coldStartHeaders(outcome.coldStart) }, true);
    }
  }
}

/** A failure of the platform's. */
export const failureAnswer = (
  place: AnswerPlace,
  { requestId, version }: Call,
  error: MeridianError,
  isExecuted: boolean,
  timing?: CallTiming,
): FunctionAnswer =>
  marked(
    problemAnswer(error, requestId),
    { ...placeHeaders(place, requestId, version), ...timingHeaders(timing) },
    isExecuted,
  );

/** Why a request was refused; nothing of a function ran. */
export function refusalAnswer(
  place: AnswerPlace,
  requestId: unknown,
  thrown: unknown,
): FunctionAnswer {
  const id = typeof requestId === "string" ? requestId.slice(0, 128) : undefined;
  const answer = problemAnswer(toMeridianError(thrown), id);
  return marked(answer, placeHeaders(place, id, undefined), false);
}

/** In place of one that cannot be sent, with the platform's own words of it. */
export function unsendableAnswer({ headers }: ServedAnswer): FunctionAnswer {
  const requestId = headers[ANSWER_HEADERS.requestId];
  const answer = problemAnswer(
    invalidAnswer("its headers are too long"),
    typeof requestId === "string" ? requestId : undefined,
  );
  const place = [ANSWER_HEADERS.zone, ANSWER_HEADERS.cluster, ANSWER_HEADERS.executed];
  const kept = Object.entries(headers).filter(([name]) => place.some((own) => own === name));
  return { ...answer, headers: { ...Object.fromEntries(kept), ...answer.headers } };
}

type Headers = Readonly<Record<string, string>>;

function serverAnswer(head: SaidHead, body: Buffer, requestId: string): FunctionAnswer {
  const read = readHead(head);
  if (read.kind === "invalid") return problemAnswer(invalidAnswer(read.reason), requestId);
  const { status, headers, mayHaveBody } = read;
  return { status, headers, body: mayHaveBody ? body : Buffer.alloc(0) };
}

function streamedAnswer(answer: StreamingAnswer, requestId: string): ServedAnswer {
  const { body, trailers } = answer;
  const read = readHead(answer.head, answer.isUpgraded);
  if (read.kind === "invalid") {
    body.destroy();
    return problemAnswer(invalidAnswer(read.reason), requestId);
  }
  const { status, headers, mayHaveBody } = read;
  if (mayHaveBody) return { status, headers, stream: body, trailers };
  // What such an answer must not have is read away, so that the function can end.
  body.resume();
  return { status, headers, body: Buffer.alloc(0) };
}

const marked = <Answer extends ServedAnswer>(
  answer: Answer,
  headers: Headers,
  isExecuted: boolean,
): Answer => ({
  ...answer,
  headers: { ...answer.headers, ...headers, [ANSWER_HEADERS.executed]: String(isExecuted) },
});

function placeHeaders(
  place: AnswerPlace,
  requestId: string | undefined,
  version: number | undefined,
): Headers {
  return {
    [ANSWER_HEADERS.zone]: place.zone,
    [ANSWER_HEADERS.cluster]: place.clusterId,
    ...(requestId === undefined ? {} : { [ANSWER_HEADERS.requestId]: requestId }),
    ...(version === undefined
      ? {}
      : { [ANSWER_HEADERS.version]: String(version), [ANSWER_HEADERS.coldStart]: "false" }),
  };
}

const timingHeaders = (timing: CallTiming | undefined): Headers =>
  timing === undefined
    ? {}
    : {
        [ANSWER_HEADERS.timing]: `queue;dur=${timing.queueMs.toFixed(1)}, run;dur=${timing.runMs.toFixed(1)}`,
      };

function coldStartHeaders(coldStart: ColdStart | undefined): Headers {
  if (coldStart === undefined) return {};
  const duration = ([phase, ms]: readonly [string, number]) => `${phase};dur=${ms.toFixed(1)}`;
  const phases = [
    ...(coldStart.isPooled ? ["pool;desc=hit"] : []),
    ...coldStartPhases(coldStart).map(duration),
  ];
  return {
    [ANSWER_HEADERS.coldStart]: "true",
    [ANSWER_HEADERS.coldStartPhases]: phases.join(", "),
  };
}

/** Answered with 200 as AWS Lambda does. */
const errorAnswer = (kind: "Handled" | "Unhandled", error: object): FunctionAnswer => ({
  status: 200,
  headers: { "content-type": "application/json", [ANSWER_HEADERS.functionError]: kind },
  body: Buffer.from(JSON.stringify(error)),
});

function problemAnswer(error: MeridianError, requestId: string | undefined): FunctionAnswer {
  const problem = toProblem(error, requestId);
  return {
    status: problem.status,
    headers: { "content-type": PROBLEM_TYPE, [ANSWER_HEADERS.errorCode]: error.code },
    body: Buffer.from(JSON.stringify(problem)),
  };
}

/** Whoever calls the HTTP door is a stranger: messages and stacks are for the function's log. */
const functionFailed = ({ errorType }: ErrorPayload): MeridianError =>
  new MeridianError(
    "MERIDIAN_FUNCTION_FAILED",
    "The function failed before it answered; its log has the error under this request id.",
    { members: { errorType: /^[\w.]{1,64}$/.test(errorType) ? errorType : "Error" } },
  );

const invalidAnswer = (reason: string): MeridianError =>
  new MeridianError("MERIDIAN_FUNCTION_FAILED", `The function's answer cannot be sent: ${reason}.`);
