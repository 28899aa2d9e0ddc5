import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { type TObject, type TSchema, Type } from "typebox";
import { Value } from "typebox/value";
import { REPOSITORY, sourceFiles } from "./support/source-files.ts";

/*
 * Every document that crosses a wire has an example in `test/golden/contracts/…`, under its schema's name; a union has
 * a list with at least one example of each alternative. The examples are what other implementations are written from.
 */
const modules = sourceFiles("lib/contracts/*.ts").map(({ path }) => path);

test("contracts were found", () => assert.ok(modules.length > 10));

for (const path of modules) {
  const name = basename(path, ".ts");
  const contracts = await contractsOf(path);
  if (contracts.size === 0) continue;
  const examples = readExamples(name);

  for (const [contract, alternatives] of contracts) {
    const documents = asList(examples[contract]);

    test(`${name}: the example of ${contract} is valid, and no alternative is without one`, () => {
      assert.ok(documents.length > 0, `test/golden/contracts/${name}.json lacks ${contract}`);
      for (const document of documents) {
        const mistakes = Value.Errors(Type.Union(alternatives), document);
        assert.ok(
          alternatives.some((shape) => Value.Check(shape, document)),
          JSON.stringify(mistakes),
        );
      }
      for (const shape of alternatives)
        assert.ok(
          documents.some((document) => Value.Check(shape, document)),
          `no example of ${Object.keys(shape.properties).join(", ")}`,
        );
    });

    test(`${name}: a ${contract} with an unknown key, or without one of its own, is refused`, () => {
      for (const document of documents)
        for (const [mutation, mutated] of mutationsOf(document, alternatives))
          assert.ok(!alternatives.some((shape) => Value.Check(shape, mutated)), mutation);
    });
  }

  test(`${name}: every example belongs to a contract`, () => {
    assert.deepEqual(
      Object.keys(examples).filter((example) => !contracts.has(example)),
      [],
    );
  });
}

/** The exported objects, and unions of objects, with the shapes a document may have. */
async function contractsOf(path: string): Promise<Map<string, TObject[]>> {
  const exported: Record<string, unknown> = await import(join(REPOSITORY, path));
  const contracts = new Map<string, TObject[]>();
  for (const [name, candidate] of Object.entries(exported)) {
    const shapes = Type.IsUnion(candidate) ? candidate.anyOf : [candidate];
    const objects = shapes.filter((shape): shape is TObject => Type.IsObject(shape));
    if (objects.length > 0 && objects.length === shapes.length) contracts.set(name, objects);
  }
  return contracts;
}

function readExamples(name: string): Record<string, unknown> {
  const path = join(REPOSITORY, "test/golden/contracts", `${name}.json`);
  return Value.Parse(
    Type.Record(Type.String(), Type.Unknown()),
    JSON.parse(readFileSync(path, "utf8")),
  );
}

function asList(example: unknown): Record<string, unknown>[] {
  const list: unknown[] = Array.isArray(example) ? example : example === undefined ? [] : [example];
  return list.map((document) => Value.Parse(Type.Record(Type.String(), Type.Unknown()), document));
}

function mutationsOf(
  document: Record<string, unknown>,
  alternatives: readonly TObject[],
): [string, Record<string, unknown>][] {
  const shape = alternatives.find((candidate) => Value.Check(candidate, document));
  assert.ok(shape !== undefined);
  const mutations: [string, Record<string, unknown>][] = (shape.required ?? []).map((key) => [
    `without ${key}`,
    Object.fromEntries(Object.entries(document).filter(([other]) => other !== key)),
  ]);
  if (isClosed(shape)) mutations.push(["with an unknown key", { ...document, unheardOf: 1 }]);
  return mutations;
}

function isClosed(shape: TSchema): boolean {
  return "additionalProperties" in shape && shape.additionalProperties === false;
}
