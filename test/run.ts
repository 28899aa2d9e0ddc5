import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import {
  describeFile,
  describeSkips,
  refuseSilentSkips,
  totalsOf,
} from "./support/report-tests.ts";
import { readOptions } from "./support/read-options.ts";
import { type FileResult, runTestFile } from "./support/run-test-file.ts";

/*
 * `npm test [-- PART-OF-A-PATH …]`: every test file, or those whose path holds one of the parts. System tests start whole
 * federations and run one by one after the others. The last lines name what was skipped, and count.
 *
 * MERIDIAN_SECOND_TRIES=N lets up to N files that failed run once more, alone, after all others: real processes on a machine whose
 * cores others take away at times. Both results are printed, and what passed only then is named at the end: it is a bug to be found.
 */
const FILE_TIMEOUT_MS = 300_000;
const SYSTEM_FILE_TIMEOUT_MS = 900_000;

const HELP = `Runs every test file, or those whose path holds one of the parts.

  npm test [-- PART-OF-A-PATH …]

MERIDIAN_SECOND_TRIES=N lets up to N files that failed run once more, alone, and names them.
`;

const { positionals: wanted } = readOptions(HELP, {});
const files = globSync("test/**/*.test.ts")
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .toSorted();
const isSystem = (file: string): boolean => file.startsWith("test/system/");

const secondTriesMax = Number(process.env["MERIDIAN_SECOND_TRIES"] ?? 0);

const first = [
  ...(await runAll(
    files.filter((file) => !isSystem(file)),
    availableParallelism(),
    FILE_TIMEOUT_MS,
  )),
  ...(await runAll(files.filter(isSystem), 1, SYSTEM_FILE_TIMEOUT_MS)),
];

const failedAtFirst = first.filter(hasFailed).map(({ file }) => file);
const again = failedAtFirst.length <= secondTriesMax ? failedAtFirst : [];
if (again.length > 0) print(`again, alone: ${again.join(", ")}`);
const second = await runAll(again, 1, SYSTEM_FILE_TIMEOUT_MS);
const results = [...first.filter(({ file }) => !again.includes(file)), ...second];

const { passed, failed, skipped } = totalsOf(results);
const failedFiles = results.filter(hasFailed);
for (const { file } of failedFiles) print(`FAIL  ${file}`);
for (const { file } of second.filter((result) => !hasFailed(result)))
  print(`unsteady  ${file}: it failed above, and passed alone`);
for (const line of describeSkips(results)) print(line);
if (passed + failed === 0) print("no test ran: that is a failure");
print(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

async function runAll(
  queue: readonly string[],
  parallel: number,
  timeoutMs: number,
): Promise<FileResult[]> {
  const waiting = queue.values();
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

function hasFailed({ failures }: FileResult): boolean {
  return failures.length > 0;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
