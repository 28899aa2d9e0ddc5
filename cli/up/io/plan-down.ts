import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Zone } from "#lib/contracts/zone.ts";
import { federatorAddresses } from "#lib/find-federators.ts";
import { internalClient } from "#lib/io/internal-client.ts";
import { readEndpoints } from "#lib/io/run-directory.ts";

/** A stop does not wait for longer than this: without the verdict it looks like a loss, and that is survived too. */
const TELL_LIMIT_MS = 1_000;

/**
 * Tells the federation that a zone is about to be stopped on purpose, so that its calls go elsewhere before its programs end and
 * its return needs neither hold nor ramp. Any federator will do; that of another zone is asked first.
 */
export async function planDown(
  runDirectory: string,
  { name, clusterId }: Pick<Zone, "name" | "clusterId">,
): Promise<void> {
  const client = internalClient((await readFile(join(runDirectory, "boot-token"), "utf8")).trim());
  const signal = AbortSignal.timeout(TELL_LIMIT_MS);
  const tell = async (url: string): Promise<boolean> =>
    client
      .json(url, {
        method: "POST",
        path: "/internal/planned-downs",
        json: { clusterId },
        timeoutMs: TELL_LIMIT_MS,
        signal,
      })
      .then(
        () => true,
        () => false,
      );
  try {
    const federators = federatorAddresses(await readEndpoints(runDirectory)).toSorted(
      (one, other) => Number(one.zone === name) - Number(other.zone === name),
    );
    for (const { url } of federators) if (await tell(url)) return;
  } finally {
    await client.close();
  }
}
