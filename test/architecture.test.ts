import assert from "node:assert/strict";
import { dirname } from "node:path";
import { test } from "node:test";
import {
  importedPath,
  readImports,
  sourceFiles,
  type SourceImport,
} from "./support/source-files.ts";

// The layering of the project, as a table. A new arrow is a change to this file.
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  catalog: ["#lib"],
  gateway: ["#lib"],
  federator: ["#lib"],
  agents: ["#lib"],
  cli: ["#lib", "#chaos"],
  chaos: ["#lib", "#gateway", "#federator", "#agents"],
  bench: ["#lib"],
  docs: ["#lib"],
  image: [],
};

/** The file that wires a component; only files beside it may import it. */
const WIRING = new Set([
  "catalog/catalog.ts",
  "gateway/gateway.ts",
  "federator/federator.ts",
  "agents/agent.ts",
]);

const files = Object.keys(MAY_IMPORT).flatMap((component) => sourceFiles(`${component}/**/*.ts`));
const byPath = new Map(files.map((file) => [file.path, file]));

test("the rules are checked against real files of every component", () => {
  for (const component of Object.keys(MAY_IMPORT))
    assert.ok(
      files.some((file) => file.path.startsWith(`${component}/`)),
      `no file of ${component}/ was read`,
    );
  assert.ok(files.flatMap((file) => file.imports).length > files.length);
});

type Rule = (file: string, imported: SourceImport) => boolean;

/** Each says whether an import breaks it. */
const RULES: Readonly<Record<string, Rule>> = {
  "a relative import stays in its component, and one through a door has an arrow in the table": (
    file,
    { specifier },
  ) => {
    const component = componentOf(file);
    // A benchmark opens the part it measures; no program imports a benchmark.
    if (component === "bench" && specifier.startsWith(".")) return false;
    if (specifier.startsWith("."))
      return componentOf(importedPath(file, specifier) ?? "") !== component;
    if (!specifier.startsWith("#")) return false;
    const [door = ""] = specifier.split("/");
    return component !== door.slice(1) && !(MAY_IMPORT[component] ?? []).includes(door);
  },

  "core imports core and the plain parts of lib, and of Node only assert and hash": (
    file,
    imported,
  ) => {
    const { specifier, isTypeOnly } = imported;
    if (!isCore(file) || isPureNode(imported)) return false;
    const target = importedPath(file, specifier);
    if (target === undefined) return true;
    if (specifier.startsWith(".")) return !isCore(target);
    return isTypeOnly ? target.startsWith("lib/io/") : !isPlain(target);
  },

  "wiring is imported from its own folder alone, and main by nobody": (file, { specifier }) => {
    const target = importedPath(file, specifier) ?? "";
    return target.endsWith("/main.ts") || (WIRING.has(target) && dirname(target) !== dirname(file));
  },
};

for (const [name, breaks] of Object.entries(RULES))
  test(name, () => {
    const broken = files.flatMap(({ path, imports }) =>
      imports
        .filter((imported) => breaks(path, imported))
        .map(({ specifier }) => `${path} imports ${specifier}`),
    );
    assert.deepEqual(broken, []);
  });

test("each of these planted imports breaks a rule", () => {
  const planted = `
    gateway/io/door.ts         import { a } from "../../federator/ports.ts";
    gateway/io/door.ts         import type { A } from "#federator";
    lib/errors.ts              import { a } from "#gateway";
    cli/commands/up.ts         import { a } from "#agents";
    gateway/core/choose.ts     import { request } from "undici";
    gateway/core/choose.ts     import { readFile } from "node:fs/promises";
    gateway/core/choose.ts     import { a } from "../io/door.ts";
    gateway/core/choose.ts     import { hash, randomUUID } from "node:crypto";
    gateway/core/choose.ts     import { systemClock } from "#lib/io/system-clock.ts";
    gateway/core/choose.ts     import { runProgram } from "#lib/run-program.ts";
    gateway/core/choose.ts     import type { Discovery } from "#lib/io/run-directory.ts";
    gateway/io/door.ts         import { createGateway } from "../gateway.ts";
    gateway/gateway.ts         import "./main.ts";
    gateway/gateway.ts         const main = await import("./main.ts");
  `;
  for (const line of planted.trim().split("\n")) {
    const [, file = "", source = ""] = /^\s*(\S+)\s+(.*)$/.exec(line) ?? [];
    const [imported] = readImports(source);
    assert.ok(imported !== undefined, `not read as an import: ${line}`);
    const isRefused = Object.values(RULES).some((breaks) => breaks(file, imported));
    assert.ok(isRefused, `allowed: ${line}`);
  }
});

test("nothing is imported in a circle", () => {
  const finished = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
    if (trail.includes(path) || finished.has(path)) return;
    for (const { specifier } of byPath.get(path)?.imports ?? []) {
      const target = importedPath(path, specifier);
      if (target !== undefined) visit(target, [...trail, path]);
    }
    finished.add(path);
  };
  for (const { path } of files) visit(path, []);
  assert.deepEqual(circles, []);
});

const componentOf = (path: string): string => path.split("/")[0] ?? "";
const isCore = (path: string): boolean => path.includes("/core/");

/** Of all that Node has, what only computes. */
const isPureNode = ({ specifier, clause }: SourceImport): boolean =>
  /^node:assert(\/strict)?$/.test(specifier) ||
  (specifier === "node:crypto" && clause === "{ hash }");

/** Whether a file of lib only computes: nothing of Node but assert and hash, no package but the schemas, and so on inwards. */
function isPlain(path: string): boolean {
  const file = byPath.get(path);
  if (file === undefined || path.startsWith("lib/io/")) return false;
  return file.imports.every((imported) => {
    const { specifier, isTypeOnly } = imported;
    if (isTypeOnly || isPureNode(imported) || /^typebox(\/.*)?$/.test(specifier)) return true;
    const target = importedPath(path, specifier);
    return target !== undefined && isPlain(target);
  });
}
