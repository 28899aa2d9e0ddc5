import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { readOptions } from "./support/read-options.ts";
import { hasFailed, print, runTestFiles, summarize } from "./support/run-test-files.ts";

/*
 * `npm test [-- PART-OF-A-PATH …]`: every test file, or those whose path holds one of the parts. System tests start whole
 * federations and run one by one after the others. The last lines name what was skipped, and count. What needs whole clusters of
 * Kubernetes is run by `npm run test:kubernetes`.
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
  .filter((file) => !file.startsWith("test/kubernetes/"))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .toSorted();
const isSystem = (file: string): boolean => file.startsWith("test/system/");

const secondTriesMax = Number(process.env["MERIDIAN_SECOND_TRIES"] ?? 0);

const first = [
  ...(await runTestFiles(
    files.filter((file) => !isSystem(file)),
    availableParallelism(),
    FILE_TIMEOUT_MS,
  )),
  ...(await runTestFiles(files.filter(isSystem), 1, SYSTEM_FILE_TIMEOUT_MS)),
];

const failedAtFirst = first.filter(hasFailed).map(({ file }) => file);
const again = failedAtFirst.length <= secondTriesMax ? failedAtFirst : [];
if (again.length > 0) print(`again, alone: ${again.join(", ")}`);
const second = await runTestFiles(again, 1, SYSTEM_FILE_TIMEOUT_MS);
summarize([...first.filter(({ file }) => !again.includes(file)), ...second], second);
