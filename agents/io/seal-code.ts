import { hash } from "node:crypto";
import { type BigIntStats, lstatSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { listFewFiles } from "../drivers/list-few-files.ts";

const AT_ONCE = 64;
/** So many are looked at sooner than a thread could be asked to. */
const FILES_AT_ONCE_MAX = 64;

/**
 * A word for the state of every file in the folder: another word later means that somebody changed, added or removed one. It
 * looks at no content, so that the few files of a bundled function cost well under a millisecond.
 */
export async function sealOf(folder: string): Promise<string> {
  const few = listFewFiles(folder, FILES_AT_ONCE_MAX);
  const states = few === undefined ? await statesOfMany(folder) : statesOfFew(folder, few);
  return hash("sha256", states.map((state) => `${state.slice(folder.length)}\n`).join(""));
}

const statesOfFew = (folder: string, few: readonly string[]): readonly string[] =>
  few
    .map((path) => join(folder, path))
    .toSorted()
    .map((path) => stateOf(path, lstatSync(path, { bigint: true })));

async function statesOfMany(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  const states: string[] = [];
  for (let next = 0; next < paths.length; next += AT_ONCE) {
    const some = paths.slice(next, next + AT_ONCE);
    const found = await Promise.all(some.map((path) => lstat(path, { bigint: true })));
    states.push(...some.map((path, index) => stateOf(path, found[index])));
  }
  return states;
}

const stateOf = (path: string, state: BigIntStats | undefined): string =>
  JSON.stringify([
    path,
    ...[state?.mode, state?.size, state?.mtimeNs, state?.ctimeNs, state?.ino].map(String),
  ]);
