import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

/** What a script was asked; for `--help` its text is printed, and for what it does not know one sentence, and it ends. */
export function readOptions<const Options extends ParseArgsOptionsConfig>(
  help: string,
  options: Options,
) {
  if (process.argv.includes("--help")) {
    process.stdout.write(help);
    process.exit(0);
  }
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    // Node's own advice behind the first sentence is about arguments that begin with a dash.
    const [sentence = ""] = String(error instanceof Error ? error.message : error).split(". ");
    return endWrong(`${sentence}; --help tells what there is`);
  }
}

export function wholeNumber(
  option: string,
  text: string,
  minimum: number,
  maximum = Number.MAX_SAFE_INTEGER,
): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= minimum && value <= maximum)
    return value;
  const range = maximum === Number.MAX_SAFE_INTEGER ? `${minimum} up` : `${minimum} to ${maximum}`;
  return endWrong(`--${option} takes a whole number from ${range}, not ${text}`);
}

/** The script was asked for something it cannot do. */
export function endWrong(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(2);
}
