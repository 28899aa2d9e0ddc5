import { existsSync, readdirSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import type { Credentials } from "#lib/contracts/run-endpoint.ts";
import { UsageError } from "../../failures.ts";
import { credentialsFile, readCredentials } from "../../state-directory.ts";

export const catalogFile = (stateDirectory: string): string =>
  join(stateDirectory, "catalog", "catalog.sqlite");

/** Refuses a state whose catalog is gone while zones still hold copies: an empty one would make them forget their functions. */
export function refuseLostCatalog(stateDirectory: string, isAccepted: boolean): void {
  const file = catalogFile(stateDirectory);
  if (isAccepted || existsSync(file)) return;
  const zones = join(stateDirectory, "zones");
  const copies = existsSync(zones)
    ? readdirSync(zones).filter((zone) => existsSync(join(zones, zone, "federator")))
    : [];
  if (copies.length === 0) return;
  throw new UsageError(
    `${file} is gone, and ${copies.join(", ")} still hold copies of what was in it: put the file back from a backup, or start with --accept-catalog-loss, which begins with an empty one, and bring all back with \`meridian catalog recover\` (docs/operations.md)`,
  );
}

/** The keys of an earlier start. A file that cannot be read is put aside, since nothing can tell the keys that were in it. */
export async function keptCredentials(
  stateDirectory: string,
  say: (text: string) => void,
): Promise<Credentials | undefined> {
  try {
    return await readCredentials(stateDirectory);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const file = credentialsFile(stateDirectory);
    await rename(file, `${file}.broken`);
    say(`${file} could not be read: it is now credentials.json.broken, and new keys were made`);
    return undefined;
  }
}
