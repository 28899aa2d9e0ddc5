import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Value } from "typebox/value";
import { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import { type KeptFile, keepFile } from "#lib/io/keep-file.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { type KnownEndpoint, mergeEndpoints } from "#lib/merge-endpoints.ts";
import type { Discovery } from "#lib/ports/discovery.ts";

/** How old a reading of the folder may be; a restarted program is found this fast. */
const REFRESH_MS = 200;
/** How long a program is known whose file is gone: as long as one that Consul forgot. */
const REMEMBERED_MS = 600_000;

/** `name` is the program's, with a number where a zone has several of it. */
export const endpointFileName = (
  program: RunEndpoint["program"],
  zone: string | null,
  name: string = program,
): string => (zone === null ? `${name}.json` : `${zone}.${name}.json`);

/** Says where this program listens, in one atomic step. */
export async function publishEndpoint(
  runDirectory: string,
  endpoint: RunEndpoint,
  name?: string,
): Promise<void> {
  await mkdir(runDirectory, { recursive: true, mode: 0o700 });
  await writeAtomically(
    join(runDirectory, endpointFileName(endpoint.program, endpoint.zone, name)),
    `${JSON.stringify(endpoint)}\n`,
  );
}

/** The same, until it is closed: the file is written again where it went missing or is damaged. That of another boot stays. */
export function keepPublished(
  runDirectory: string,
  endpoint: RunEndpoint,
  name?: string,
): Promise<KeptFile> {
  return keepFile(
    join(runDirectory, endpointFileName(endpoint.program, endpoint.zone, name)),
    () => publishEndpoint(runDirectory, endpoint, name),
    (found) => parseEndpoint(found) === undefined,
  );
}

/**
 * From a reading at most 200 ms old. A program whose file is gone or cannot be read is told of for 10 minutes still, unless another
 * has its place.
 */
export function runDirectoryDiscovery(runDirectory: string): Discovery {
  let remembered: readonly KnownEndpoint[] = [];
  let known: Promise<readonly RunEndpoint[]> = Promise.resolve([]);
  let readAtMs = Number.NEGATIVE_INFINITY;
  const read = async (nowMs: number): Promise<readonly RunEndpoint[]> => {
    const answer = (await readEndpoints(runDirectory)).map((endpoint) => ({
      endpoint,
      isPassing: true,
      registeredAt: 0,
    }));
    remembered = mergeEndpoints(remembered, answer, nowMs, REMEMBERED_MS);
    return remembered.map(({ endpoint }) => endpoint);
  };
  return {
    list: () => {
      const nowMs = performance.now();
      if (nowMs - readAtMs >= REFRESH_MS) {
        readAtMs = nowMs;
        known = read(nowMs);
      }
      return known;
    },
  };
}

export async function readEndpoints(runDirectory: string): Promise<readonly RunEndpoint[]> {
  const names = await readdir(runDirectory).catch(() => []);
  const endpoints = await Promise.all(
    names
      .filter((name) => name.endsWith(".json"))
      .map((name) => readEndpoint(join(runDirectory, name))),
  );
  return endpoints.filter((endpoint) => endpoint !== undefined);
}

const readEndpoint = (path: string): Promise<RunEndpoint | undefined> =>
  readFile(path, "utf8").then(parseEndpoint, () => undefined);

function parseEndpoint(text: string): RunEndpoint | undefined {
  try {
    const candidate: unknown = JSON.parse(text);
    return Value.Check(RunEndpoint, candidate) ? candidate : undefined;
  } catch {
    return undefined;
  }
}
