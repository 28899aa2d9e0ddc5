import { describeFile, describeSkips, refuseSilentSkips, totalsOf } from "./report-tests.ts";
import { type FileResult, runTestFile } from "./run-test-file.ts";

/** Runs them, `parallel` at once, and prints each when it has ended. */
export async function runTestFiles(
  files: readonly string[],
  parallel: number,
  timeoutMs: number,
): Promise<FileResult[]> {
  const waiting = files.values();
  const done: FileResult[] = [];
  const work = async (): Promise<void> => {
    for (const file of waiting) {
      const result = refuseSilentSkips(await runTestFile(file, timeoutMs));
      print(describeFile(result));
      done.push(result);
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return done;
}

/** What failed, what was skipped and why, and the counts as the last line; also what only passed when it was tried `again`. */
export function summarize(results: readonly FileResult[], again: readonly FileResult[] = []): void {
  const { passed, failed, skipped } = totalsOf(results);
  for (const { file } of results.filter(hasFailed)) print(`FAIL  ${file}`);
  for (const { file } of again.filter((result) => !hasFailed(result)))
    print(`unsteady  ${file}: it failed above, and passed alone`);
  for (const line of describeSkips(results)) print(line);
  if (passed + failed === 0) print("no test ran: that is a failure");
  print(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

export const hasFailed = ({ failures }: FileResult): boolean => failures.length > 0;

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
