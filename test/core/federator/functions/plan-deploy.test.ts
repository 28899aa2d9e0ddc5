import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { Value } from "typebox/value";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { Catalog, Transaction } from "#lib/ports/catalog.ts";
import { permittedZones } from "#lib/residency.ts";
import {
  handlerFiles,
  impossibleVariables,
  reservedVariables,
  unknownRegions,
} from "../../../../federator/core/functions/check-manifest.ts";
import { planAliasMove } from "../../../../federator/core/functions/plan-alias-move.ts";
import {
  type FunctionState,
  VERSIONS_MAX,
} from "../../../../federator/core/functions/function-state.ts";
import { planDeploy } from "../../../../federator/core/functions/plan-deploy.ts";
import {
  planAliasRemoval,
  planFunctionRemoval,
  planVersionRemoval,
} from "../../../../federator/core/functions/plan-removals.ts";
import {
  holds,
  NO_PRECONDITION,
  parseIfMatch,
} from "../../../../federator/core/functions/preconditions.ts";
import { fetchFunctionState } from "../../../../federator/io/functions/function-state.ts";
import { fetchRecord, readVersion } from "../../../../federator/io/read-records.ts";
import { ZONES } from "../../../io/federator-api/zones.ts";

const manifest = (more: object = {}): FunctionManifest => {
  const candidate = Value.Default(FunctionManifest, { name: "hello", ...more });
  assert.ok(Value.Check(FunctionManifest, candidate));
  return candidate;
};
const wish = (more: object = {}, alias: string | null = "live") => ({
  tenant: "demo",
  functionName: "hello",
  codeDigest: `sha256:${"0".repeat(64)}`,
  codeBytes: 100,
  manifest: manifest(more),
  alias,
  secrets: [],
  precondition: NO_PRECONDITION,
});
const NOTHING: FunctionState = {
  record: undefined,
  former: undefined,
  aliases: [],
  rollouts: [],
  versions: [],
};

const handlers = [
  { given: {}, files: ["index.js", "index.mjs", "index.cjs"] },
  { given: { handler: "./src/app.main" }, files: ["src/app.js", "src/app.mjs", "src/app.cjs"] },
  { given: { handler: "app.handler", runtime: "python" }, files: ["app.py"] },
  { given: { handler: "greet", runtime: "provided" }, files: ["bootstrap"] },
  { given: { handler: "./src/server.js", interface: "http" }, files: ["src/server.js"] },
];
for (const { given, files } of handlers)
  test(`the handler of ${JSON.stringify(given)} is looked for in ${files.join(", ")}`, () => {
    assert.deepEqual(handlerFiles(manifest(given)), files);
  });

test("residency takes regions and jurisdictions, and what no zone lies in is named", () => {
  assert.deepEqual(allowed([]), ["eu-west", "us-east", "ap-south"]);
  assert.deepEqual(allowed(["eu", "ap-south"]), ["eu-west", "ap-south"]);
  assert.deepEqual(unknownRegions(["eu", "mars", "us-east"], ZONES), ["mars"]);
});

test("variables that the platform sets or that reach into the start of an instance are reserved", () => {
  const own = { PATH: "/opt/bin", HANDLER: "x", AWS_REGION: "x", LDFLAGS: "x", NODE_ENV: "x" };
  const reserved = {
    LD_PRELOAD: "x",
    LD_LIBRARY_PATH: "x",
    NODE_OPTIONS: "x",
    PYTHONHOME: "x",
    _HANDLER: "x",
    AWS_LAMBDA_FUNCTION_NAME: "x",
    MERIDIAN_INSTANCE: "x",
  };
  assert.deepEqual(reservedVariables({ ...own, ...reserved }), Object.keys(reserved));
});

test("values that no process can be given are named", () => {
  const possible = { EMPTY: "", LINES: "a\nb", PAIR: "\u{1f600}", LATIN: "\u0001ü" };
  const impossible = { NUL: "a\0b", HALF: "\ud83d", OTHER_HALF: "x\ude00" };
  assert.deepEqual(impossibleVariables({ ...possible, ...impossible }), Object.keys(impossible));
});

test("a record over 2 KiB is refused with its size", () => {
  const environment = { A: "x".repeat(1_000), B: "x".repeat(1_000) };
  const plan = planDeploy(NOTHING, wish({ environment }), 1);
  assert.ok(plan.kind === "record-too-large" && plan.bytes > 2_048);
});

const allowed = (regions: string[]): string[] =>
  permittedZones(regions, ZONES).map(({ name }) => name);

/** What may be done to a function, in any order and from readings that may be old. `back` counts from the newest version. */
type Step =
  | { readonly kind: "deploy"; readonly alias: string | null }
  | { readonly kind: "remove-function" }
  | { readonly kind: "remove-version"; readonly back: number }
  | { readonly kind: "remove-alias"; readonly alias: string }
  | {
      readonly kind: "move";
      readonly alias: string;
      readonly back: number;
      readonly share: number;
    };

const alias = fc.constantFrom("live", "beta");
const back = fc.nat(3);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Step>({ kind: "deploy", alias: "live" }) },
  fc.constant<Step>({ kind: "deploy", alias: null }),
  fc.constant<Step>({ kind: "deploy", alias: "beta" }),
  fc.constant<Step>({ kind: "remove-function" }),
  back.map((n): Step => ({ kind: "remove-version", back: n })),
  alias.map((name): Step => ({ kind: "remove-alias", alias: name })),
  fc
    .tuple(alias, back, fc.constantFrom(0, 10))
    .map(([name, n, share]): Step => ({ kind: "move", alias: name, back: n, share })),
);

test("however deploys, moves and removals interleave, no alias is without its versions, and no number comes twice", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(anyStep, anyStep), { maxLength: 12 }), async (pairs) => {
      const catalog = createMemoryCatalog({ clock: systemClock });
      let newest = 0;
      for (const pair of pairs) {
        // Both plan from the same reading; the second one's compares must notice the first.
        const plans = await Promise.all(pair.map((one) => planned(catalog, one)));
        for (const transaction of plans)
          if (transaction !== undefined) await catalog.txn(transaction);
        const after = await fetchFunctionState(catalog, "demo", "hello");
        if (after.record === undefined) assert.deepEqual([after.aliases, after.versions], [[], []]);
        for (const { value } of after.aliases) {
          assert.ok(after.versions.includes(value.version));
          for (const one of value.additionalVersions ?? [])
            assert.ok(after.versions.includes(one.version));
        }
        const number = (after.record ?? after.former)?.value.latestVersion ?? 0;
        assert.ok(number >= newest, "numbers only grow, deletes or not");
        newest = number;
      }
      await catalog.close();
    }),
    { numRuns: 300 },
  );
});

async function planned(catalog: Catalog, step: Step): Promise<Transaction | undefined> {
  const state = await fetchFunctionState(catalog, "demo", "hello");
  if (step.kind === "deploy") {
    const plan = planDeploy(state, wish({}, step.alias), 1);
    return plan.kind === "deploy" ? plan.transaction : undefined;
  }
  const { record } = state;
  if (record === undefined) return undefined;
  const version = "back" in step ? record.value.latestVersion - step.back : 0;
  const plan = planOther({ ...state, record }, step, version, await heldVersion(catalog, version));
  return plan.kind === "move" || plan.kind === "remove" ? plan.transaction : undefined;
}

type Standing = FunctionState & { readonly record: NonNullable<FunctionState["record"]> };

function planOther(
  state: Standing,
  step: Exclude<Step, { kind: "deploy" }>,
  version: number,
  held: Parameters<typeof planVersionRemoval>[1],
) {
  switch (step.kind) {
    case "remove-function":
      return planFunctionRemoval(state, NO_PRECONDITION, 1, undefined);
    case "remove-version":
      return planVersionRemoval(state, held, NO_PRECONDITION);
    case "remove-alias":
      return planAliasRemoval(state, step.alias, NO_PRECONDITION);
    case "move": {
      const additionalVersions =
        step.share === 0 ? [] : [{ version: version - 1, percent: step.share }];
      const move = { alias: step.alias, version, additionalVersions };
      return planAliasMove(state, { ...move, precondition: NO_PRECONDITION }, 1);
    }
  }
}

async function heldVersion(catalog: Catalog, version: number) {
  return readVersion(await fetchRecord(catalog, keys.version("demo", "hello", version)));
}

test("old versions that nothing points at go, so that a delete always fits into one transaction", async () => {
  const catalog = createMemoryCatalog({ clock: systemClock });
  for (let count = 0; count < VERSIONS_MAX + 10; count += 1) {
    const transaction = await planned(catalog, { kind: "deploy", alias: "live" });
    assert.ok(transaction !== undefined);
    assert.equal((await catalog.txn(transaction)).kind, "committed");
    if (count !== 1) continue;
    const move: Step = { kind: "move", alias: "first", back: 0, share: 10 };
    const moved = await planned(catalog, move);
    assert.ok(moved !== undefined && (await catalog.txn(moved)).kind === "committed");
  }
  const state = await fetchFunctionState(catalog, "demo", "hello");
  assert.equal(state.versions.length, VERSIONS_MAX);
  assert.deepEqual(state.versions.slice(0, 2), [1, 2], "an alias points at both");
  assert.equal(state.versions.at(-1), VERSIONS_MAX + 10);
  await catalog.close();
});

test("what an alias was before goes last of the versions that nothing points at", async () => {
  const catalog = createMemoryCatalog({ clock: systemClock });
  const deploy = async (alias: string | null): Promise<void> => {
    const transaction = await planned(catalog, { kind: "deploy", alias });
    assert.ok(transaction !== undefined);
    assert.equal((await catalog.txn(transaction)).kind, "committed");
  };
  await deploy("live");
  await deploy("live");
  for (let count = 0; count < VERSIONS_MAX; count += 1) await deploy(null);
  const { versions } = await fetchFunctionState(catalog, "demo", "hello");
  assert.deepEqual(versions.slice(0, 3), [1, 2, 5], "live is 2, and was 1");
  assert.equal(versions.length, VERSIONS_MAX);
  await catalog.close();
});

test("weights leave at least 1 % for the first version, name each version once, and only such as there are", () => {
  const record = {
    value: { tenant: "demo", name: "hello", latestVersion: 3, createdAtMs: 1 },
    modRevision: 9,
  };
  const state: FunctionState = { ...NOTHING, record, versions: [1, 2, 3] };
  const plan = (...additionalVersions: { version: number; percent: number }[]) =>
    planAliasMove(
      state,
      { alias: "live", version: 1, additionalVersions, precondition: NO_PRECONDITION },
      1,
    );
  assert.equal(plan({ version: 2, percent: 99 }).kind, "move");
  assert.equal(
    plan({ version: 2, percent: 60 }, { version: 3, percent: 40 }).kind,
    "weights-invalid",
  );
  assert.equal(
    plan({ version: 2, percent: 5 }, { version: 2, percent: 5 }).kind,
    "weights-invalid",
  );
  assert.equal(plan({ version: 1, percent: 5 }).kind, "weights-invalid");
  assert.deepEqual(plan({ version: 4, percent: 5 }), { kind: "version-missing", version: 4 });
});

const preconditions = [
  { ifMatch: undefined, of: 17, is: true },
  { ifMatch: '"17"', of: 17, is: true },
  { ifMatch: '"17"', of: 18, is: false },
  { ifMatch: '"17"', of: null, is: false },
  { ifMatch: "*", of: 17, is: true },
  { ifMatch: "*", of: null, is: false },
  { ifMatch: 'W/"17"', of: 17, is: false },
  { ifMatch: 'W/"17"', of: null, is: false },
];
for (const { ifMatch, of, is } of preconditions)
  test(`If-Match ${ifMatch ?? "absent"} ${is ? "holds for" : "does not hold for"} ${of ?? "what is not there"}`, () => {
    assert.equal(holds({ ifMatch: parseIfMatch(ifMatch), ifNew: false }, of), is);
  });
