import { readFile } from "node:fs/promises";
import type { Logger } from "pino";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import type { ConsulDiscovery } from "#lib/contracts/discovery-config.ts";
import { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { type KnownEndpoint, mergeEndpoints } from "#lib/merge-endpoints.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { OpenDiscovery } from "#lib/ports/discovery.ts";
import { consulClient } from "./consul-client.ts";

/** What Consul stopped naming is still tried for so long. */
const KEPT_MS = 10 * 60_000;
/** How often this program looks whether Consul still has it: a Consul that was restarted may not. */
const ANNOUNCE_INTERVAL_MS = 5_000;

export interface ConsulDiscoveryOptions {
  readonly config: ConsulDiscovery;
  readonly clock: Clock;
  readonly log: Logger;
  /** Keeps what is known, so that a program that starts while Consul is gone finds the others all the same. */
  readonly memoryFile: string;
  /** The cluster of each zone. */
  readonly clusterIds: ReadonlyMap<string, string>;
}

/**
 * Learns from Consul at its own pace and answers from memory alone: Consul gone, frozen or talking nonsense changes nothing of
 * what is known, for as long as it takes.
 */
export async function openConsulDiscovery(options: ConsulDiscoveryOptions): Promise<OpenDiscovery> {
  const { config, clock, log, memoryFile, clusterIds } = options;
  const token =
    config.tokenFile === undefined ? undefined : (await readFile(config.tokenFile, "utf8")).trim();
  const consul = consulClient(config, token);
  const closing = new AbortController();
  let known = await recall(memoryFile);
  let heardAtMs = Number.NEGATIVE_INFINITY;
  const own = new Map<string, RunEndpoint>();

  const learn = async (): Promise<void> => {
    const answer = await consul.list();
    const next = mergeEndpoints(known, answer, clock.nowMs(), KEPT_MS);
    heardAtMs = clock.nowMs();
    const hasChanged = describe(next) !== describe(known);
    known = next;
    if (hasChanged) await writeAtomically(memoryFile, describe(next));
  };
  const announceAgain = async (): Promise<void> => {
    for (const endpoint of own.values())
      if (!(await consul.isRegistered(endpoint))) await consul.register(endpoint);
  };
  const repeat = async (intervalMs: number, work: () => Promise<void>): Promise<void> => {
    let hasFailed = false;
    while (!closing.signal.aborted) {
      try {
        await work();
        if (hasFailed) log.info("Consul answers again");
        hasFailed = false;
      } catch (error) {
        if (!hasFailed) log.warn({ err: error }, "Consul does not answer; what is known stays");
        hasFailed = true;
      }
      await clock.sleep(intervalMs, closing.signal).catch(() => undefined);
    }
  };
  // The first answer is waited for, so that a program does not start blind; a Consul that is away is not.
  await learn().catch((error: unknown) =>
    log.warn({ err: error }, "Consul does not answer; what is known stays"),
  );
  const loops = [repeat(config.pollIntervalMs, learn)];

  return {
    list: async () => known.map(({ endpoint }) => endpoint),
    announce: async (endpoint) => {
      own.set(endpoint.program, endpoint);
      if (loops.length === 1) loops.push(repeat(ANNOUNCE_INTERVAL_MS, announceAgain));
    },
    observer: {
      views: () => viewsOf(known, clusterIds),
      ageMs: () => clock.nowMs() - heardAtMs,
    },
    close: async () => {
      closing.abort(new Error("the discovery is closed"));
      await Promise.all(loops);
      await Promise.allSettled([...own.values()].map((endpoint) => consul.deregister(endpoint)));
      consul.close();
    },
  };
}

/** Clusters whose agent Consul names now, by its own check of them; it says nothing of one that it does not name. */
function viewsOf(
  known: readonly KnownEndpoint[],
  clusterIds: ReadonlyMap<string, string>,
): ReadonlyMap<string, "up" | "down"> {
  const views = new Map<string, "up" | "down">();
  for (const { endpoint, isPassing, missingSinceMs } of known) {
    const clusterId = endpoint.zone === null ? undefined : clusterIds.get(endpoint.zone);
    if (endpoint.program !== "agent" || clusterId === undefined || missingSinceMs !== null)
      continue;
    views.set(clusterId, isPassing ? "up" : "down");
  }
  return views;
}

const Memory = Type.Array(
  Type.Object({ endpoint: RunEndpoint, isPassing: Type.Boolean(), registeredAt: Type.Number() }),
);

const describe = (known: readonly KnownEndpoint[]): string =>
  JSON.stringify(
    known.map(({ endpoint, isPassing, registeredAt }): Static<typeof Memory>[number] => ({
      endpoint,
      isPassing,
      registeredAt,
    })),
  );

async function recall(memoryFile: string): Promise<readonly KnownEndpoint[]> {
  try {
    const candidate: unknown = JSON.parse(await readFile(memoryFile, "utf8"));
    if (!Value.Check(Memory, candidate)) return [];
    return candidate.map((one) => ({ ...one, missingSinceMs: null }));
  } catch {
    return [];
  }
}
