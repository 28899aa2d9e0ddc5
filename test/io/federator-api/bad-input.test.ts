import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ErrorCode } from "#lib/errors.ts";
import { digestOf, zipOf } from "./archives.ts";
import {
  assertProblem,
  call,
  startZones,
  type TestFederation,
  type TestZone,
  receiptOf,
} from "./zones.ts";

const archive = zipOf([{ name: "index.mjs", content: "export const handler = () => 1;" }]);
const codeDigest = digestOf(archive);
let federation: TestFederation;
let zone: TestZone;
before(async () => {
  federation = await startZones(["eu-west"]);
  zone = federation.zones[0] ?? assert.fail("it was started");
  await call(zone, federation.keys.demo, "PUT", `/v1/tenants/demo/code/${codeDigest}`, archive);
  const deployed = await ask("POST", "/functions/good/versions", version("good"));
  assert.equal(deployed.status, 201, JSON.stringify(deployed.body));
});
after(() => federation.stop());

const ask = (method: string, path: string, body?: unknown) =>
  call(zone, federation.keys.demo, method, `/v1/tenants/demo${path}`, body);
const version = (name: string, more: object = {}) => ({
  codeDigest,
  codeReceipt: receiptOf(codeDigest),
  manifest: { name, placement: { regions: ["eu"] }, ...more },
});

interface Case {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly status: number;
  readonly code: ErrorCode;
}

const NAMES = [
  "Good",
  "-good",
  "good-",
  "go_od",
  "go.od",
  "göd",
  "good%2f..",
  "a".repeat(64),
  "%00",
];
const unfit = (name: string, method: string, path: string, body: unknown): Case => ({
  name,
  method,
  path,
  body,
  status: 400,
  code: "MERIDIAN_BAD_REQUEST",
});
const named = NAMES.flatMap((name) => [
  unfit(`a function named ${name}`, "PUT", `/functions/${name}`, version("good")),
  unfit(`an alias named ${name}`, "PUT", `/functions/good/aliases/${name}`, { version: 1 }),
  unfit(`a secret named ${name}`, "PUT", `/secrets/${name}`, { value: "x" }),
]);

const manifest = (name: string, more: object): Case => ({
  name,
  method: "POST",
  path: "/functions/good/versions",
  body: version("good", more),
  status: 400,
  code: "MERIDIAN_MANIFEST_INVALID",
});
const variables = (count: number, value: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`V${index}`, value]));
const manifests: readonly Case[] = [
  manifest("a manifest of another name", { name: "other" }),
  manifest("a manifest with a name outside the grammar", { name: "Good" }),
  manifest("more than 64 variables", { environment: variables(65, "1") }),
  manifest("a variable of more than 1,024 characters", { environment: { A: "x".repeat(1_025) } }),
  manifest("variables that are too much together", { environment: variables(10, "é".repeat(150)) }),
  manifest("a variable with a name that is none", { environment: { "A-B": "1" } }),
  manifest("a variable without a name", { environment: { "": "1" } }),
  manifest("a variable of the platform's", { environment: { MERIDIAN_REGION: "x" } }),
  manifest("a variable that is a number", { environment: { A: 1 } }),
  manifest("a secret of a name that is none", { secrets: { A: "Db" } }),
  manifest("a variable with a NUL in it", { environment: { A: "a\0b" } }),
  manifest("a variable with half of a surrogate pair", { environment: { A: "\ud83d" } }),
  manifest("a variable set twice", { environment: { A: "1" }, secrets: { A: "db" } }),
  manifest("a time limit of nothing", { timeoutMs: 0 }),
  manifest("memory without end", { memoryMegabytes: 1e9 }),
  manifest("fewer clusters than it needs", { placement: { regions: ["eu"], clustersMin: 2 } }),
  {
    ...manifest("a manifest larger than any", { environment: { A: "x".repeat(200_000) } }),
    status: 413,
    code: "MERIDIAN_BODY_TOO_LARGE",
  },
];

const alias = (name: string, body: object, status: number, code: ErrorCode): Case => ({
  name,
  method: "PUT",
  path: "/functions/good/aliases/live",
  body,
  status,
  code,
});
const share = (number: number, percent: number) => ({ version: number, percent });
const aliases: readonly Case[] = [
  alias("an alias to a version that is not there", { version: 2 }, 404, "MERIDIAN_NOT_FOUND"),
  alias(
    "a share for a version that is not there",
    { version: 1, additionalVersions: [share(2, 5)] },
    404,
    "MERIDIAN_NOT_FOUND",
  ),
  alias(
    "shares of more than 99 % together",
    { version: 1, additionalVersions: [share(2, 60), share(3, 40)] },
    400,
    "MERIDIAN_WEIGHTS_INVALID",
  ),
  alias(
    "a share for the alias' own version",
    { version: 1, additionalVersions: [share(1, 5)] },
    400,
    "MERIDIAN_WEIGHTS_INVALID",
  ),
  ...[-1, 0, 0.5, 100, "5"].map((percent) =>
    alias(
      `a share of ${JSON.stringify(percent)}`,
      { version: 1, additionalVersions: [{ version: 2, percent }] },
      400,
      "MERIDIAN_BAD_REQUEST",
    ),
  ),
  ...[0, -1, 1.5, "1", 1e12].map((number) =>
    alias(
      `the version ${JSON.stringify(number)}`,
      { version: number },
      400,
      "MERIDIAN_BAD_REQUEST",
    ),
  ),
];

for (const { name, method, path, body, status, code } of [...named, ...manifests, ...aliases])
  test(`${name} is refused with ${code}, and the catalog is as it was`, async () => {
    const before = await federation.catalog.range({ prefix: "", limit: 1 });
    assertProblem(await ask(method, path, body), status, code);
    const after = await federation.catalog.range({ prefix: "", limit: 1 });
    assert.deepEqual(after, before, "its revision, too");
  });
