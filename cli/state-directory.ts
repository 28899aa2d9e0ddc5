import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Value } from "typebox/value";
import { Credentials } from "#lib/contracts/run-endpoint.ts";
import { UsageError } from "./failures.ts";

export const REPOSITORY = resolve(import.meta.dirname, "..");
export const DEFAULT_STATE = ".meridian";
export const credentialsFile = (state: string): string => join(state, "credentials.json");

/** The state folder that was named, else the nearest `.meridian` from here upwards, else the one beside the program. */
export function findState(named: string | undefined): string {
  if (named !== undefined) return resolve(named);
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    const candidate = join(folder, DEFAULT_STATE);
    if (existsSync(credentialsFile(candidate))) return candidate;
    if (folder === dirname(folder)) return join(REPOSITORY, DEFAULT_STATE);
  }
}

/** What `up` wrote for its users; undefined when there is no such file. */
export async function readCredentials(state: string): Promise<Credentials | undefined> {
  const file = credentialsFile(state);
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw new UsageError(`${file} cannot be read: ${error.message}`);
  });
  if (text === undefined) return undefined;
  try {
    return Value.Parse(Credentials, JSON.parse(text));
  } catch (cause) {
    throw new UsageError(
      `${file} is not what "meridian up" writes: "meridian up" puts such a file aside and makes new keys`,
      { cause },
    );
  }
}
