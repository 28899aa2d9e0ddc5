import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { MeridianError } from "#lib/errors.ts";
import { federatorsNearestFirst } from "#lib/find-federators.ts";
import { codeFileName } from "#lib/ports/code-store.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import { isDiskFull } from "./code-failures.ts";

const ANSWER_TIMEOUT_MS = 2_000;
const TRANSFER_TIMEOUT_MS = 30_000;

export interface CodeSources {
  readonly zone: string;
  /** This zone's store, on the same disk. */
  readonly codeDirectory: string;
  readonly discovery: Discovery;
  readonly client: InternalClient;
}

/**
 * Writes the archive with that digest to `path`: from this zone's store, from its federator, from any other federator, whichever
 * has it first. Fails with MERIDIAN_CODE_UNAVAILABLE when none does.
 */
export async function fetchCode(
  sources: CodeSources,
  digest: string,
  bytesMax: number,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const failures: string[] = [];
  for (const source of await sourcesOf(sources, digest)) {
    try {
      await source.copy(path, checkDigest(digest, bytesMax), signal);
      return;
    } catch (error) {
      signal.throwIfAborted();
      // No other store makes room here.
      if (isDiskFull(error)) throw error;
      const why = error instanceof Error ? error.message : String(error);
      // Said once, before the reasons.
      failures.push(`${source.name}: ${why.replaceAll(` with the digest ${digest}`, "")}`);
    }
  }
  throw new MeridianError(
    "MERIDIAN_CODE_UNAVAILABLE",
    `No store could give the code ${digest} (${failures.join("; ")}). Try again; deploy the function again if this stays.`,
  );
}

interface Source {
  readonly name: string;
  readonly copy: (path: string, check: Transform, signal: AbortSignal) => Promise<void>;
}

async function sourcesOf(sources: CodeSources, digest: string): Promise<readonly Source[]> {
  const { zone, client } = sources;
  const stored = join(sources.codeDirectory, codeFileName(digest));
  const isStored = await access(stored).then(
    () => true,
    () => false,
  );
  const local: Source = {
    name: "this zone's store",
    copy: (path, check, signal) =>
      pipeline(createReadStream(stored), check, newFile(path), { signal }),
  };
  const federators = federatorsNearestFirst(await sources.discovery.list(), zone);
  const remote = federators.map(({ zone: where, url }): Source => {
    const copy: Source["copy"] = async (path, check, signal) => {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(TRANSFER_TIMEOUT_MS)]);
      const request = { path: `/internal/code/${digest}`, timeoutMs: ANSWER_TIMEOUT_MS };
      const archive = await client.stream(url, { ...request, signal: limit });
      await pipeline(archive, check, newFile(path), { signal: limit });
    };
    return { name: `the federator of ${where}`, copy };
  });
  return isStored ? [local, ...remote] : remote;
}

const newFile = (path: string) => createWriteStream(path, { flags: "w", mode: 0o600 });

/** Passes the bytes on and fails at their end if they are not the ones that were asked for. */
function checkDigest(digest: string, bytesMax: number): Transform {
  const hash = createHash("sha256");
  let bytes = 0;
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      bytes += chunk.length;
      hash.update(chunk);
      done(bytes > bytesMax ? new Error(`more than ${bytesMax} bytes came`) : null, chunk);
    },
    flush: (done) => {
      const actual = `sha256:${hash.digest("hex")}`;
      done(actual === digest ? null : new Error(`what came has the digest ${actual}`));
    },
  });
}
