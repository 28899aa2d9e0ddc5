import type { Logger } from "pino";
import type { Zone } from "#lib/contracts/zone.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Discovery } from "#lib/io/run-directory.ts";
import type { Clock } from "#lib/ports/clock.ts";
import {
  type ClusterLimits,
  type ClusterState,
  type ProbeOutcome,
  stepCluster,
  unknownCluster,
} from "../core/judge-cluster.ts";
import { runLoop } from "./run-loop.ts";

/** A cluster that starts is looked for more often, so that it is in service as soon as it answers. */
const FIRST_SIGHT_INTERVAL_MS = 100;

export interface ProbeOptions {
  readonly zones: readonly Zone[];
  readonly discovery: Discovery;
  readonly client: InternalClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: ClusterLimits;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** After each change of a view. */
  readonly onChange: () => void;
}

export interface Probing {
  /** This federator's own view of each cluster. */
  readonly clusters: () => ReadonlyMap<string, ClusterState>;
  readonly close: () => Promise<void>;
}

/** Asks every cluster's agent, each at its own pace, whether it answers; needs neither catalog nor replica. */
export function probeClusters(options: ProbeOptions): Probing {
  const { zones, clock, log, limits } = options;
  const closing = new AbortController();
  const states = new Map(zones.map(({ clusterId }) => [clusterId, unknownCluster(clock.nowMs())]));

  const probe = async (zone: Zone, signal: AbortSignal): Promise<void> => {
    const outcome = await ping(options, zone.name, signal);
    if (signal.aborted) return;
    const before = states.get(zone.clusterId) ?? unknownCluster(clock.nowMs());
    const after = stepCluster(before, outcome, clock.nowMs(), limits);
    states.set(zone.clusterId, after);
    if (after.view === before.view) return;
    log.info({ clusterId: zone.clusterId, from: before.view, to: after.view }, "own view changed");
    options.onChange();
  };
  const loops = zones.map((zone) =>
    runLoop(
      {
        name: `probe ${zone.clusterId}`,
        intervalMs: () =>
          states.get(zone.clusterId)?.view === "unknown"
            ? Math.min(options.intervalMs, FIRST_SIGHT_INTERVAL_MS)
            : options.intervalMs,
        clock,
        log,
        signal: closing.signal,
      },
      (signal) => probe(zone, signal),
    ),
  );
  return {
    clusters: () => states,
    close: async () => {
      closing.abort(new Error("probing was closed"));
      await Promise.all(loops.map(({ ended }) => ended));
    },
  };
}

async function ping(
  { discovery, client, timeoutMs }: ProbeOptions,
  zoneName: string,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const endpoint = (await discovery.list()).find(
    ({ program, zone }) => program === "agent" && zone === zoneName,
  );
  const url = endpoint?.urls.internal;
  if (url === undefined) return "missed";
  return client
    .json(url, { path: "/ping", timeoutMs, signal })
    .then(() => "answered" as const)
    .catch(() => "missed" as const);
}
