import { run } from "node:test";
import type { EventData } from "node:test";
import { inspect } from "node:util";

/** Longer output of a failing file is cut in front: the end tells what happened. */
const OUTPUT_CHARACTERS_MAX = 64 * 1024;

export interface FileResult {
  readonly file: string;
  readonly passed: number;
  readonly failures: readonly TestFailure[];
  readonly skips: readonly TestSkip[];
  /** What the file wrote, to be shown when it fails. */
  readonly output: string;
  readonly durationMs: number;
}

export interface TestFailure {
  readonly name: string;
  readonly message: string;
}

export interface TestSkip {
  readonly name: string;
  /** Why, and the command that would run it. */
  readonly reason: string;
}

/** Runs one test file in a process of its own and ends it after `timeoutMs`: a file that leaks a timer or socket fails. */
export async function runTestFile(file: string, timeoutMs: number): Promise<FileResult> {
  const startedAtMs = performance.now();
  const failures: TestFailure[] = [];
  const skips: TestSkip[] = [];
  let passed = 0;
  let output = "";

  for await (const { type, data } of run({
    files: [file],
    signal: AbortSignal.timeout(timeoutMs),
  })) {
    if (type === "test:stdout" || type === "test:stderr")
      output = (output + data.message).slice(-OUTPUT_CHARACTERS_MAX);
    if (type === "test:fail" && !isOnlyAParent(data))
      failures.push({ name: data.name, message: describeFailure(data, timeoutMs) });
    if (type !== "test:pass") continue;

    if (data.skip !== undefined && data.skip !== false)
      skips.push({ name: data.name, reason: data.skip === true ? "" : data.skip });
    else if (data.name === file) failures.push({ name: file, message: "the file holds no test" });
    else if (data.details.type !== "suite") passed += 1;
  }
  return { file, passed, failures, skips, output, durationMs: performance.now() - startedAtMs };
}

function isOnlyAParent({ details }: EventData.TestFail): boolean {
  return "failureType" in details.error && details.error.failureType === "subtestsFailed";
}

function describeFailure({ details }: EventData.TestFail, timeoutMs: number): string {
  const cause = details.error.cause ?? details.error;
  if (cause instanceof DOMException && cause.name === "TimeoutError")
    return `not finished after ${timeoutMs} ms, or something was left open`;
  return inspect(cause);
}
