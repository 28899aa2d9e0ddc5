import { MeridianError } from "#lib/errors.ts";
import { toProblem } from "#lib/problem.ts";
import { inOptions } from "./in-options.ts";

/** The command was called wrongly, or nothing can be done from here; the message says what to do instead. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** No answer came from the endpoint. Exit code 1. */
export class NoAnswerError extends Error {
  override readonly name: string = "NoAnswerError";
}

/** Nobody took what was asked: it was surely not done. */
export class UnreachableError extends NoAnswerError {
  override readonly name = "UnreachableError";

  constructor(endpoint: string, cause: unknown) {
    super(
      `nothing answers at ${endpoint}: start it with "npm start" (or "meridian up"), or name another address with --endpoint`,
      { cause },
    );
  }
}

/** It was asked, and the connection or the time ended before the answer. */
export class BrokenOffError extends NoAnswerError {
  override readonly name = "BrokenOffError";

  constructor(endpoint: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(
      `${endpoint} did not answer to the end (${why}): what was asked may have been done, so look before you repeat it`,
      { cause },
    );
  }
}

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** What a failed command prints on standard error, and its exit code. */
export function describeFailure(
  thrown: unknown,
  asJson: boolean,
): { readonly text: string; readonly exitCode: number } {
  const exitCode = thrown instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
  if (asJson) return { text: JSON.stringify(asDocument(thrown)), exitCode };
  if (!(thrown instanceof MeridianError)) return { text: `error: ${inWords(thrown)}`, exitCode };
  const requestId = thrown.members["requestId"];
  const about = [thrown.code, ...(typeof requestId === "string" ? [`request ${requestId}`] : [])];
  return { text: `error: ${inOptions(thrown.message)}\n       ${about.join("  ")}`, exitCode };
}

function asDocument(thrown: unknown): object {
  if (thrown instanceof MeridianError) return toProblem(thrown);
  return {
    title: thrown instanceof UsageError ? "Wrong usage" : "Failed",
    detail: inWords(thrown),
  };
}

const inWords = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown);
