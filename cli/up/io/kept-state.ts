import { existsSync, readdirSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Credentials } from "#lib/contracts/run-endpoint.ts";
import { ensureKeyFile } from "#lib/io/key-file.ts";
import { UsageError } from "../../failures.ts";
import { credentialsFile, readCredentials } from "../../state-directory.ts";
import { keyEncryptionKeyFile } from "../core/plan-programs.ts";

/** Where this state folder's catalog is, for every later start. */
export const catalogChoiceFile = (stateDirectory: string): string =>
  join(stateDirectory, "catalog", "choice.json");

export const catalogFile = (stateDirectory: string): string =>
  join(stateDirectory, "catalog", "catalog.sqlite");

/** Refuses a state whose catalog is gone while zones still hold copies: an empty one would make them forget their functions. */
export function refuseLostCatalog(stateDirectory: string, isAccepted: boolean): void {
  const file = catalogFile(stateDirectory);
  if (isAccepted || existsSync(file)) return;
  const copies = zonesWithCopies(stateDirectory);
  if (copies.length === 0) return;
  throw new UsageError(
    `${file} is gone, and ${copies.join(", ")} still hold copies of what was in it: put the file back from a backup, or start with --accept-catalog-loss, which begins with an empty one, and bring all back with \`meridian catalog recover\` (docs/operations.md)`,
  );
}

/** Zones whose federators keep what was in the catalog. */
function zonesWithCopies(stateDirectory: string): readonly string[] {
  const zones = join(stateDirectory, "zones");
  if (!existsSync(zones)) return [];
  return readdirSync(zones).filter((zone) => existsSync(join(zones, zone, "federator")));
}

/**
 * The key that secrets' own keys are sealed with: made at the very first start. Later nothing can stand in for it, so a new one is
 * made only where somebody says that the secrets may be lost.
 */
export async function settleKeyEncryptionKey(
  stateDirectory: string,
  acceptsKeyLoss: boolean,
): Promise<void> {
  const file = keyEncryptionKeyFile(stateDirectory);
  if (!existsSync(file) && mayHoldSecrets(stateDirectory) && !acceptsKeyLoss)
    throw new UsageError(
      `${file} is gone, and secrets can be read with it alone: put the file back from a backup, or start with --new-key-encryption-key, which makes a new one and loses every secret that was set until now (docs/operations.md)`,
    );
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
  await ensureKeyFile(file);
}

const mayHoldSecrets = (stateDirectory: string): boolean =>
  existsSync(catalogChoiceFile(stateDirectory)) ||
  existsSync(catalogFile(stateDirectory)) ||
  zonesWithCopies(stateDirectory).length > 0;

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
