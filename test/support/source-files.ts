import { globSync, readFileSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";

export const REPOSITORY = resolve(import.meta.dirname, "../..");

export interface SourceFile {
  /** From the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly SourceImport[];
}

export interface SourceImport {
  /** As written: `./pipeline.ts`, `#lib/errors.ts`, `node:fs`. */
  readonly specifier: string;
  /** A type-only import leaves no trace when the program runs. */
  readonly isTypeOnly: boolean;
  /** What stands between `import` and `from`, as written; empty when there is no such clause. */
  readonly clause: string;
}

const IMPORT =
  /^(?:import|export)\s+(?<type>type\s)?(?<clause>[^"';]*?)from\s*"(?<from>[^"]+)"|^import\s*"(?<bare>[^"]+)"|\bimport\(\s*"(?<dynamic>[^"]+)"/gm;

/** The project's own files that match, read once, with what they import. */
export function sourceFiles(pattern: string): SourceFile[] {
  return globSync(pattern, { cwd: REPOSITORY, exclude: isForeign })
    .map((path) => path.replaceAll("\\", "/"))
    .toSorted()
    .map((path) => {
      const text = readFileSync(join(REPOSITORY, path), "utf8");
      return { path, text, imports: readImports(text) };
    });
}

const FOREIGN_FOLDERS: ReadonlySet<string> = new Set([
  "node_modules",
  ".git",
  ".meridian",
  ".engines",
]);

/** Folders that hold other people's files, or what a run has made. */
function isForeign(path: string): boolean {
  return FOREIGN_FOLDERS.has(posix.basename(path.replaceAll("\\", "/")));
}

export function readImports(text: string): SourceImport[] {
  return [...text.matchAll(IMPORT)].map(({ groups = {} }) => ({
    specifier: groups["from"] ?? groups["bare"] ?? groups["dynamic"] ?? "",
    isTypeOnly: groups["type"] !== undefined,
    clause: (groups["clause"] ?? "").trim(),
  }));
}

/** The file of this repository that an import leads to; undefined for packages and Node's own modules. */
export function importedPath(from: string, specifier: string): string | undefined {
  if (specifier.startsWith("#lib/")) return specifier.slice(1);
  if (specifier.startsWith(".")) return posix.normalize(posix.join(dirname(from), specifier));
  return undefined;
}
