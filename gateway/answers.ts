import { ANSWER_HEADERS } from "#lib/contracts/invocation.ts";
import { ERRORS, MeridianError } from "#lib/errors.ts";
import { PROBLEM_TYPE, toProblem } from "#lib/problem.ts";
import type { Receipt } from "./call.ts";
import type { HeaderFault } from "./core/inspect-headers.ts";
import type { Answer, AnswerHeaders } from "./ports.ts";

/** Callers that may come again are told when; limits say it more exactly themselves. */
const RETRY_AFTER_SECONDS = "1";

export function problemAnswer(
  error: MeridianError,
  requestId: string,
  headers: AnswerHeaders = {},
): Answer {
  const { status, retryable } = ERRORS[error.code];
  return {
    status,
    headers: {
      "content-type": PROBLEM_TYPE,
      [ANSWER_HEADERS.errorCode]: error.code,
      ...(retryable && status !== 504 ? { "retry-after": RETRY_AFTER_SECONDS } : {}),
      ...headers,
    },
    body: `${JSON.stringify(toProblem(error, requestId))}\n`,
  };
}

/** What the caller of a request that was not understood is told. */
export const refusalOf = ({ code, reason }: HeaderFault): MeridianError =>
  new MeridianError(code, `The request was refused: ${reason}.`);

export const textAnswer = (status: number, text: string): Answer => ({
  status,
  headers: { "content-type": "text/plain; charset=utf-8" },
  body: text,
});

export const jsonAnswer = (status: number, value: unknown): Answer => ({
  status,
  headers: { "content-type": "application/json" },
  body: `${JSON.stringify(value)}\n`,
});

/** Every answer says which request it belongs to; where a cluster was used, also which, and at which attempt. */
export function withReceipt(answer: Answer, requestId: string, receipt?: Receipt): Answer {
  const headers: Record<string, string | readonly string[]> = {
    ...answer.headers,
    [ANSWER_HEADERS.requestId]: requestId,
  };
  if (receipt?.fallback !== undefined) headers[ANSWER_HEADERS.fallback] = receipt.fallback;
  if (receipt?.clusterId !== undefined) {
    headers[ANSWER_HEADERS.zone] = receipt.zone ?? "";
    headers[ANSWER_HEADERS.cluster] = receipt.clusterId;
    headers[ANSWER_HEADERS.version] = String(receipt.version);
    headers[ANSWER_HEADERS.attempts] = String(receipt.attempts);
    headers[ANSWER_HEADERS.coldStart] = String(receipt.isColdStart);
  }
  return { ...answer, headers };
}
