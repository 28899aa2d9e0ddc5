import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { Value } from "typebox/value";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import { permittedZones } from "#lib/residency.ts";
import {
  handlerFiles,
  reservedVariables,
  unknownRegions,
} from "../../../federator/core/check-manifest.ts";
import { planAliasMove } from "../../../federator/core/plan-alias-move.ts";
import {
  planDeploy,
  planFunctionRemoval,
  VERSIONS_MAX,
} from "../../../federator/core/plan-deploy.ts";
import { fetchFunctionState } from "../../../federator/io/function-state.ts";
import { ZONES } from "../../io/federator-api/zones.ts";

const manifest = (more: object = {}): FunctionManifest => {
  const candidate = Value.Default(FunctionManifest, { name: "hello", ...more });
  assert.ok(Value.Check(FunctionManifest, candidate));
  return candidate;
};
const wish = (more: object = {}) => ({
  tenant: "demo",
  functionName: "hello",
  codeDigest: `sha256:${"0".repeat(64)}`,
  codeBytes: 100,
  manifest: manifest(more),
});

const handlers = [
  { given: {}, files: ["index.js", "index.mjs", "index.cjs"] },
  { given: { handler: "./src/app.main" }, files: ["src/app.js", "src/app.mjs", "src/app.cjs"] },
  { given: { handler: "app.handler", runtime: "python" }, files: ["app.py"] },
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

test("a record over 2 KiB is refused with its size", () => {
  const environment = { A: "x".repeat(1_000), B: "x".repeat(1_000) };
  const state = { record: undefined, aliases: [], versions: [] };
  const plan = planDeploy(state, wish({ environment }), 1);
  assert.ok(plan.kind === "record-too-large" && plan.bytes > 2_048);
});

const allowed = (regions: string[]): string[] =>
  permittedZones(regions, ZONES).map(({ name }) => name);

/** What may be done to a function, in any order and from readings that may be old. */
type Step =
  | { readonly kind: "deploy" }
  | { readonly kind: "remove" }
  | { readonly kind: "move"; readonly alias: string; readonly back: number };

test("however deploys, alias moves and deletes interleave, no alias is ever without its version and its function", async () => {
  const step = fc.oneof<[fc.Arbitrary<Step>, fc.Arbitrary<Step>, fc.Arbitrary<Step>]>(
    fc.constant<Step>({ kind: "deploy" }),
    fc.constant<Step>({ kind: "remove" }),
    fc.record({
      kind: fc.constant("move" as const),
      alias: fc.constantFrom("live", "beta"),
      back: fc.nat(3),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(step, step), { maxLength: 12 }), async (pairs) => {
      const catalog = createMemoryCatalog({ clock: systemClock });
      for (const pair of pairs) {
        // Both plan from the same reading; the second one's compares must notice the first.
        const plans = await Promise.all(pair.map((one) => planned(catalog, one)));
        for (const transaction of plans)
          if (transaction !== undefined) await catalog.txn(transaction);
        const after = await fetchFunctionState(catalog, "demo", "hello");
        if (after.record === undefined) assert.deepEqual([after.aliases, after.versions], [[], []]);
        for (const { value } of after.aliases) assert.ok(after.versions.includes(value.version));
      }
      await catalog.close();
    }),
    { numRuns: 200 },
  );
});

async function planned(catalog: Catalog, step: Step) {
  const state = await fetchFunctionState(catalog, "demo", "hello");
  if (step.kind === "deploy") {
    const plan = planDeploy(state, wish(), 1);
    return plan.kind === "deploy" ? plan.transaction : undefined;
  }
  const { record } = state;
  if (record === undefined) return undefined;
  if (step.kind === "remove") return planFunctionRemoval({ ...state, record });
  const version = record.value.latestVersion - step.back;
  const plan = planAliasMove(state, { alias: step.alias, version, ifMatch: undefined }, 1);
  return plan.kind === "move" ? plan.transaction : undefined;
}

test("old versions that nothing points at go, so that a delete always fits into one transaction", async () => {
  const catalog = createMemoryCatalog({ clock: systemClock });
  for (let count = 0; count < VERSIONS_MAX + 10; count += 1) {
    const transaction = await planned(catalog, { kind: "deploy" });
    assert.ok(transaction !== undefined);
    assert.equal((await catalog.txn(transaction)).kind, "committed");
    if (count === 0) {
      const moved = await planned(catalog, { kind: "move", alias: "first", back: 0 });
      assert.ok(moved !== undefined && (await catalog.txn(moved)).kind === "committed");
    }
  }
  const state = await fetchFunctionState(catalog, "demo", "hello");
  assert.equal(state.versions.length, VERSIONS_MAX);
  assert.equal(state.versions[0], 1, "an alias points at it");
  assert.equal(state.versions.at(-1), VERSIONS_MAX + 10);
  await catalog.close();
});
