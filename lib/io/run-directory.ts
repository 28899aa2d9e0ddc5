import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Value } from "typebox/value";
import { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import type { Discovery } from "#lib/ports/discovery.ts";

/** How old a reading of the folder may be; a restarted program is found this fast. */
const REFRESH_MS = 200;

export const endpointFileName = (program: RunEndpoint["program"], zone: string | null): string =>
  zone === null ? `${program}.json` : `${zone}.${program}.json`;

/** Says where this program listens, in one atomic step. */
export async function publishEndpoint(runDirectory: string, endpoint: RunEndpoint): Promise<void> {
  await mkdir(runDirectory, { recursive: true, mode: 0o700 });
  await writeAtomically(
    join(runDirectory, endpointFileName(endpoint.program, endpoint.zone)),
    `${JSON.stringify(endpoint)}\n`,
  );
}

/** From a reading at most 200 ms old; an unreadable file is left out. */
export function runDirectoryDiscovery(runDirectory: string): Discovery {
  let known: Promise<readonly RunEndpoint[]> = Promise.resolve([]);
  let readAtMs = Number.NEGATIVE_INFINITY;
  return {
    list: () => {
      const nowMs = performance.now();
      if (nowMs - readAtMs >= REFRESH_MS) {
        readAtMs = nowMs;
        known = readEndpoints(runDirectory);
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

async function readEndpoint(path: string): Promise<RunEndpoint | undefined> {
  try {
    const candidate: unknown = JSON.parse(await readFile(path, "utf8"));
    return Value.Check(RunEndpoint, candidate) ? candidate : undefined;
  } catch {
    return undefined;
  }
}
