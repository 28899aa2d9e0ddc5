import { InvalidArgumentError, type Command, Option } from "@commander-js/extra-typings";
import type { DrillOutcome } from "#chaos";
import { DRILL_EXIT_CODES } from "#lib/contracts/drill.ts";
import { printDocument, printLine } from "../print.ts";

export function registerDrill(program: Command): void {
  const drill = program
    .command("drill")
    .description("break something on purpose, and see what callers notice of it");
  drill
    .command("run")
    .description("run a drill and judge it: 0 passed, 1 failed, 2 invalid or blocked, 3 cut short")
    .argument("<file>", "a Chaos Toolkit experiment, such as chaos/drills/zone-kill.json")
    .option("--state <folder>", "drill a federation that runs (default: one is started for it)")
    .addOption(
      new Option("--without <part>", "show that the drill notices when a part is missing").choices([
        "failover",
      ]),
    )
    .option("--report <folder>", "where the reports go (default: .meridian-drills/RUN)", nonEmpty)
    .option("--json", "print the report, and nothing else, on standard output")
    .action(runCommand);
  drill
    .command("validate")
    .description("say every mistake of a drill file")
    .argument("<file>")
    .option("--json", "print one JSON document")
    .action(async (file, flags) => {
      const { validateDrill } = await import("#chaos");
      reportMistakes(await validateDrill(file), file, flags.json === true);
    });
}

interface RunFlags {
  readonly state?: string | undefined;
  readonly without?: string | undefined;
  readonly report?: string | undefined;
  readonly json?: true | undefined;
}

async function runCommand(file: string, flags: RunFlags): Promise<void> {
  const { runDrill, summaryLine } = await import("#chaos");
  const interrupting = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => interrupting.abort(`interrupted by ${signal}`);
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  let outcome: DrillOutcome;
  try {
    outcome = await runDrill({
      experimentFile: file,
      ...(flags.state === undefined ? {} : { state: flags.state }),
      ...(flags.report === undefined ? {} : { reportDirectory: flags.report }),
      withoutFailover: flags.without === "failover",
      say: (line) => process.stderr.write(`${line}\n`),
      signal: interrupting.signal,
    });
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
  if (outcome.kind === "invalid")
    return reportMistakes(outcome.mistakes, file, flags.json === true);
  const { report, reportDirectory } = outcome;
  process.exitCode = DRILL_EXIT_CODES[report.verdict];
  process.stderr.write(`reports: ${reportDirectory}\n`);
  if (flags.json === true) printDocument(report);
  else printLine(summaryLine(report));
}

/** A file with mistakes makes no report: there was nothing to report on. */
function reportMistakes(mistakes: readonly string[], file: string, asJson: boolean): void {
  const isValid = mistakes.length === 0;
  if (!isValid) process.exitCode = DRILL_EXIT_CODES.INVALID;
  if (asJson) return printDocument({ verdict: isValid ? "VALID" : "INVALID", reasons: mistakes });
  if (isValid) return printLine(`${file} is a valid drill`);
  printLine(`INVALID  ${file}\n${mistakes.map((mistake) => `  ${mistake}`).join("\n")}`);
}

function nonEmpty(text: string): string {
  if (text === "") throw new InvalidArgumentError("name a folder");
  return text;
}
