import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { createProgram } from "../../../cli/run-command-line.ts";
import { REPOSITORY } from "../../support/source-files.ts";

interface Documented {
  readonly where: string;
  readonly line: string;
}

/** What stands after a prompt in the documents, and under `Examples:` in the help of every command. */
function documented(): readonly Documented[] {
  const files = ["README.md", ...globSync("docs/**/*.md", { cwd: REPOSITORY })];
  const inFiles = files.flatMap((where) =>
    promptsIn(readFileSync(join(REPOSITORY, where), "utf8")).map((line) => ({ where, line })),
  );
  const inHelp = everyCommand(createProgram()).flatMap((command) =>
    promptsIn(helpOf(command)).map((line) => ({ where: `${command.name()} --help`, line })),
  );
  return [...inFiles, ...inHelp];
}

const promptsIn = (text: string): readonly string[] =>
  [...text.matchAll(/^ *\$ (?:npx )?(meridian .*)$/gm)].map(([, line = ""]) => line);

const everyCommand = (command: CommandUnknownOpts): readonly CommandUnknownOpts[] => [
  command,
  ...command.commands.flatMap((one) => everyCommand(one)),
];

function helpOf(command: CommandUnknownOpts): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

/** As a shell would split it: quotes hold together, a comment, pipe or redirection ends it. */
const wordsOf = (line: string): readonly string[] =>
  [...line.replace(/\s[#<>|].*$/, "").matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare ?? "",
  );

const all = documented();
test("there are examples to look at", () => assert.ok(all.length > 60, `${all.length}`));

for (const { where, line } of all)
  test(`${where}: "${line}" is a command that there is, with flags and arguments that it takes`, () => {
    const [, ...words] = wordsOf(line);
    let command: CommandUnknownOpts = createProgram();
    for (;;) {
      const next = command.commands.find((one) => one.name() === words[0]);
      if (next === undefined) break;
      command = next;
      words.shift();
    }
    assert.notEqual(command.name(), "meridian", "the command is not known");
    const { operands, unknown } = command.parseOptions(words);
    assert.deepEqual(unknown, []);
    const wanted = command.registeredArguments;
    const least = wanted.filter((one) => one.required).length;
    const most = wanted.some((one) => one.variadic) ? Infinity : wanted.length;
    assert.ok(operands.length >= least && operands.length <= most, operands.join(" "));
  });
