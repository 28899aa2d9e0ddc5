import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { ANSWER_HEADERS } from "#lib/contracts/invocation.ts";
import { type ErrorCode, ERRORS } from "#lib/errors.ts";
import type { AttemptFailure } from "../core/decide-retry.ts";
import type { FailedOutcome } from "../ports.ts";

/** The agent gives up at the deadline and says so better than a gateway can; it is given this long to say it. */
export const ANSWER_GRACE_MS = 250;
/** A failure is told in a short problem+json; whatever is longer is cut off and does not matter. */
const PROBLEM_BYTES_MAX = 64 * 1024;
/** Refusals that are about the request itself, and would be the same everywhere. */
const CALLERS_FAULT = new Set([400, 405, 413, 422]);
const INSTANCE_LOST = "MERIDIAN_INSTANCE_LOST" satisfies ErrorCode;

/** Answers of the agent itself that another attempt may better; undefined for what the caller shall have as it comes. */
export function failureToldBy(
  status: number,
  headers: IncomingHttpHeaders,
): AttemptFailure | undefined {
  // What failed was an earlier call; this one has its answer.
  if (headers[ANSWER_HEADERS.replayed] !== undefined) return undefined;
  if (headers[ANSWER_HEADERS.executed] === "false")
    return CALLERS_FAULT.has(status) ? undefined : "refused";
  const isInstanceLost =
    status === ERRORS[INSTANCE_LOST].status && headers[ANSWER_HEADERS.errorCode] === INSTANCE_LOST;
  return isInstanceLost ? "maybe-executed" : undefined;
}

/** A problem that breaks off is still one: the headers came before it. */
export async function readProblem(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      const part: unknown = chunk;
      if (!Buffer.isBuffer(part)) continue;
      chunks.push(part);
      bytes += part.length;
      if (bytes > PROBLEM_BYTES_MAX) break;
    }
  } catch {
    // What was read so far says enough.
  }
  return Buffer.concat(chunks);
}

export function toldFailure(
  failure: AttemptFailure,
  status: number,
  headers: IncomingHttpHeaders,
  body: Uint8Array,
): FailedOutcome {
  const { "content-length": _length, ...rest } = headers;
  const code = headers[ANSWER_HEADERS.errorCode];
  return {
    kind: "failed",
    failure,
    reason: `the agent answered ${status}${typeof code === "string" ? ` ${code}` : ""}`,
    answer: { status, headers: rest, body },
  };
}
