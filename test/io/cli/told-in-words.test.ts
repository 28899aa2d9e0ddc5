import assert from "node:assert/strict";
import { test } from "node:test";
import { bundleFunction } from "../../../cli/bundle/bundle-function.ts";
import { inOptions } from "../../../cli/in-options.ts";
import { nearestWord } from "../../../cli/nearest-word.ts";
import { formatTable } from "../../../cli/print.ts";
import { meridian } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

interface Mistake {
  readonly argv: readonly string[];
  readonly told: RegExp;
}
const mistakes: readonly Mistake[] = [
  {
    argv: ["alias", "set", "welcome", "live", "--to", "1", "--also", "2=100"],
    told: /A share is 1 to 99 %/,
  },
  {
    argv: ["alias", "set", "welcome", "live", "--to", "1", "--also", "2=0"],
    told: /A share is 1 to 99 %/,
  },
  {
    argv: ["alias", "set", "welcome", "live", "--to", "1", "--also", "x"],
    told: /Write it as VERSION=PERCENT/,
  },
  { argv: ["deploy", ".", "--secret", "DB_PASSWORD"], told: /Write it as NAME=SECRET/ },
  { argv: ["deploy", ".", "--env", "SIZE"], told: /Write it as NAME=VALUE/ },
  { argv: ["deploy", ".", "--env", "1ST=x"], told: /letters, digits and _, and no digit first/ },
  {
    argv: ["deploy", ".", "--kpa", "target=abc"],
    told: /target must be a number from 0\.01 to 1000/,
  },
  {
    argv: ["deploy", ".", "--kpa", "target=0"],
    told: /target must be a number from 0\.01 to 1000/,
  },
  {
    argv: ["deploy", ".", "--kpa", "activationScale=1.5"],
    told: /activationScale must be a whole number from 1 to 1000/,
  },
  {
    argv: ["deploy", ".", "--kpa", "stableWindow=5"],
    told: /stableWindow must be whole seconds from 6s to 3600s, such as 60s/,
  },
  { argv: ["invoke", "Bad Name"], told: /A name is 1 to 63 lower-case letters/ },
  { argv: ["invoke", "hello", "--alias", "B"], told: /A name is 1 to 63 lower-case letters/ },
  { argv: ["secret", "set", "db", "--value", "x"], told: /--file, or on standard input/ },
];
for (const { argv, told } of mistakes)
  test(`${argv.join(" ")} is told in words`, async () => {
    const { exitCode, stderr } = await meridian(argv);
    assert.equal(exitCode, 2, stderr);
    assert.match(stderr, told);
  });

for (const verb of ["run", "validate"])
  test(`drill ${verb} of a file that is not there says so`, async () => {
    const { exitCode, stdout } = await meridian(["drill", verb, "no-such-drill.json"]);
    assert.equal(exitCode, 2);
    assert.match(stdout, /there is no file no-such-drill\.json; those that come along/);
  });

const refusals: readonly { readonly said: string; readonly told: string }[] = [
  {
    said: "The query does not fit: /from must be a day such as 2026-11-01, UTC.",
    told: "--from must be a day such as 2026-11-01, UTC.",
  },
  {
    said: "The query does not fit: /from must be earlier than /to, which is now where it is left out.",
    told: "--from must be earlier than --to, which is now where it is left out.",
  },
  {
    said: "The body does not fit: /homeRegion must be a name; /homeRegion must be null; /homeRegion must match a schema in anyOf.",
    told: "the region must be a name.",
  },
  {
    said: "The body does not fit: /regions/0 must be a name; /reason must not have fewer than 1 characters.",
    told: "--region must be a name; --reason must not be empty.",
  },
  {
    said: "The body does not fit: /somethingNew must be null.",
    told: "The body does not fit: /somethingNew must be null.",
  },
  { said: "There is no zone mars.", told: "There is no zone mars." },
];
for (const { said, told } of refusals)
  test(`"${said}" is told as "${told}"`, () => assert.equal(inOptions(said), told));

const unknown: readonly { readonly file: object; readonly told: RegExp }[] = [
  {
    file: { memoryMB: 256 },
    told: /meridian\.json has the unknown key "memoryMB" \(did you mean "memoryMegabytes"\?\)/,
  },
  { file: { env: {} }, told: /"env" \(did you mean "environment"\?\)/ },
  {
    file: { placement: { region: ["eu"] } },
    told: /"placement\.region" \(did you mean "placement\.regions"\?\)/,
  },
  { file: { runtime: "ruby" }, told: /runtime must be one of node, python, provided$/ },
  { file: { minIsolation: "L9" }, told: /minIsolation must be one of L0, L1, L2, L3, L4, L5$/ },
  { file: { network: "lan" }, told: /network must be one of outbound, none$/ },
  {
    file: { scaling: { mode: "kpa", stableWindow: "5s" } },
    told: /scaling\.stableWindow must be whole seconds from 6s to 3600s, such as 60s$/,
  },
  {
    file: { scaling: { mode: "kpa", scaleDownDelay: 5 } },
    told: /scaling\.scaleDownDelay must be whole seconds from 0s to 3600s, such as 30s$/,
  },
  {
    file: { scaling: { target: 0 } },
    told: /scaling\.target must be a number from 0\.01 to 1000$/,
  },
  {
    file: { placement: { regions: ["Mars!"] } },
    told: /placement\.regions\.0 must be 1 to 63 lower-case letters, digits and dashes$/,
  },
  { file: { zzzzzzzz: 1 }, told: /meridian\.json has the unknown key "zzzzzzzz"$/ },
];
for (const { file, told } of unknown)
  test(`a meridian.json of ${JSON.stringify(file)} is refused with what was meant`, async (context) => {
    const folder = await temporaryFolder(context, {
      "index.mjs": "export const handler = () => 1;",
      "meridian.json": JSON.stringify(file),
    });
    await assert.rejects(bundleFunction(folder, { name: "a-name" }, { mayBundle: true }), told);
  });

test("the nearest word begins alike or differs by few letters", () => {
  const known = ["runtime", "handler", "timeoutMs", "environment"];
  assert.equal(nearestWord("timeout", known), "timeoutMs");
  assert.equal(nearestWord("hadnler", known), "handler");
  assert.equal(nearestWord("enviroment", known), "environment");
  assert.equal(nearestWord("colour", known), undefined);
});

test("a table writes out what would move the cursor or turn the text round", () => {
  const table = formatTable(["REASON"], [["\u001b[2Jgone\r\n\u202etxt"], ["\u0007 ä → 漢"]]);
  assert.equal(table, "REASON\n\\u001b[2Jgone\\u000d\\u000a\\u202etxt\n\\u0007 ä → 漢");
});
