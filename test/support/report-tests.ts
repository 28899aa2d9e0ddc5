import type { FileResult } from "./run-test-file.ts";

export interface TestTotals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export function totalsOf(results: readonly FileResult[]): TestTotals {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const result of results) {
    passed += result.passed;
    failed += result.failures.length;
    skipped += result.skips.length;
  }
  return { passed, failed, skipped };
}

/** One line for a file that passed; all it has to say for one that failed. */
export function describeFile(result: FileResult): string {
  const counts = [`${result.passed} passed`];
  if (result.skips.length > 0) counts.push(`${result.skips.length} skipped`);
  if (result.failures.length > 0) counts.push(`${result.failures.length} failed`);
  const word = result.failures.length > 0 ? "FAIL" : "ok  ";
  const line = `${word}  ${result.file}  ${counts.join(", ")}  ${(result.durationMs / 1_000).toFixed(1)} s`;
  if (result.failures.length === 0) return line;

  const failures = result.failures.map(({ name, message }) => `  ✖ ${name}\n${indent(message)}`);
  const output = result.output === "" ? [] : [`  it wrote:\n${indent(result.output.trimEnd())}`];
  return [line, ...failures, ...output].join("\n");
}

/** Each skipped suite with the command that would run it; one line for all that share file and reason. */
export function describeSkips(results: readonly FileResult[]): string[] {
  const lines = new Map<string, number>();
  for (const { file, skips } of results)
    for (const { reason } of skips) {
      const key = `${file}: ${reason}`;
      lines.set(key, (lines.get(key) ?? 0) + 1);
    }
  return [...lines].map(([line, count]) => `skipped ${count}  ${line}`);
}

/** A skip must say which command would run it; one that does not is a failure, so that nothing is skipped silently. */
export function refuseSilentSkips(result: FileResult): FileResult {
  const silent = result.skips.filter((skip) => !/`[^`]+`/.test(skip.reason));
  const failures = silent.map(({ name, reason }) => ({
    name,
    message: `skipped without saying in backquotes which command would run it: "${reason}"`,
  }));
  return {
    ...result,
    skips: result.skips.filter((skip) => !silent.includes(skip)),
    failures: [...result.failures, ...failures],
  };
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "      ");
}
