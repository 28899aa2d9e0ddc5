import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";
import { Credentials } from "#lib/contracts/run-endpoint.ts";
import { ProcessRegister, UpRecord } from "#lib/contracts/supervision.ts";
import type { ProcessIdentity } from "#lib/io/process-identity.ts";

/** What `up` wrote for its users; undefined when there is no such federation. */
export const readCredentials = (stateDirectory: string): Promise<Credentials | undefined> =>
  readChecked(join(stateDirectory, "credentials.json"), Credentials);

/** The socket of the `up` that runs the state folder; undefined when none does. */
export async function readUpSocket(stateDirectory: string): Promise<string | undefined> {
  return (await readChecked(join(stateDirectory, "run", "up.json"), UpRecord))?.socketPath;
}

/** Every process of the federation, launchers and instances included. */
export async function readProcesses(stateDirectory: string): Promise<readonly ProcessIdentity[]> {
  return (await readChecked(join(stateDirectory, "run", "processes.json"), ProcessRegister)) ?? [];
}

async function readChecked<T extends TSchema>(
  file: string,
  schema: T,
): Promise<Static<T> | undefined> {
  try {
    const document: unknown = JSON.parse(await readFile(file, "utf8"));
    return Value.Check(schema, document) ? document : undefined;
  } catch {
    return undefined;
  }
}
