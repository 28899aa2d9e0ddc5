import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { NAME_PATTERN } from "#lib/contracts/names.ts";

const NAME = new RegExp(NAME_PATTERN);

/** A command with what all of them take: where the federation is, as whom, and `--json`. */
export const connectedCommand = (program: Command, name: string, summary: string) =>
  program
    .command(name)
    .description(summary)
    .addOption(new Option("--endpoint <url>", "address of the federation").env("MERIDIAN_ENDPOINT"))
    .addOption(new Option("--key <key>", "API key").env("MERIDIAN_KEY"))
    .addOption(
      new Option(
        "--state <folder>",
        "state folder of `meridian up`, for its address and keys (default: the nearest .meridian)",
      ).env("MERIDIAN_STATE"),
    )
    .option("--json", "print one JSON document");

export const tenantOption = () =>
  new Option("--tenant <name>", "tenant (default: the key's own, or demo)");

/** Reads a whole number from `min` to `max`. */
export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };

/** Reads whole numbers from `min` to `max`, with commas between them. */
export const numbersOf =
  (min: number, max: number) =>
  (text: string): number[] =>
    text.split(",").map((part) => wholeNumber(min, max)(part.trim()));

/** Reads the name of a function or an alias, which would else become part of an address that nothing is served at. */
export function nameOf(text: string): string {
  if (NAME.test(text)) return text;
  throw new InvalidArgumentError("A name is 1 to 63 lower-case letters, digits and dashes.");
}

/** Collects an option that may be given several times or as a list with commas. */
export const listOf = (text: string, sofar: readonly string[] = []): string[] => [
  ...sofar,
  ...text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== ""),
];

export const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`;
