import type { Logger } from "pino";
import type { Observation } from "#lib/contracts/zone-report.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { runLoop } from "./run-loop.ts";

export interface GossipOptions {
  /** The other zones. */
  readonly peerZones: readonly string[];
  readonly peers: () => Promise<ReadonlyMap<string, string>>;
  readonly client: InternalClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly observe: () => Omit<Observation, "sequence">;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly evidenceMaxAgeMs: number;
  /** After an observation that says something else than the one before. */
  readonly onHeard: () => void;
}

export interface Gossip {
  /** Own observation first, then those of the peers that are fresh. */
  readonly observations: () => readonly Observation[];
  readonly receive: (observation: Observation) => void;
  /** Tells the peers at once. */
  readonly wake: () => void;
  readonly close: () => Promise<void>;
}

/** Tells every other federator what this one sees; a peer that does not answer holds up nobody. */
export function startGossip(options: GossipOptions): Gossip {
  const { peerZones, clock, log, client } = options;
  const closing = new AbortController();
  const heard = new Map<string, { readonly observation: Observation; readonly atMs: number }>();
  let sequence = 0;
  const observe = (): Observation => {
    sequence += 1;
    return { ...options.observe(), sequence };
  };

  const tell = async (peerZone: string, signal: AbortSignal): Promise<void> => {
    const url = (await options.peers()).get(peerZone);
    if (url === undefined) return;
    await client
      .json(url, {
        method: "POST",
        path: "/internal/observations",
        json: observe(),
        timeoutMs: options.timeoutMs,
        signal,
      })
      .catch((error: unknown) => log.debug({ err: error, peerZone }, "a peer did not listen"));
  };
  const loops = peerZones.map((peerZone) =>
    runLoop(
      {
        name: `gossip to ${peerZone}`,
        intervalMs: options.intervalMs,
        clock,
        log,
        signal: closing.signal,
      },
      (signal) => tell(peerZone, signal),
    ),
  );

  return {
    observations: () => {
      const nowMs = clock.nowMs();
      const fresh = heard
        .values()
        .filter(({ atMs }) => nowMs - atMs <= options.evidenceMaxAgeMs)
        .map(({ observation }) => observation);
      return [observe(), ...fresh];
    },
    receive: (observation) => {
      if (!peerZones.includes(observation.zone)) return;
      const before = heard.get(observation.zone)?.observation;
      const isOlder =
        before?.bootId === observation.bootId && before.sequence >= observation.sequence;
      if (isOlder) return;
      heard.set(observation.zone, { observation, atMs: clock.nowMs() });
      if (before === undefined || claims(before) !== claims(observation)) options.onHeard();
    },
    wake: () => {
      for (const loop of loops) loop.wake();
    },
    close: async () => {
      closing.abort(new Error("gossip was closed"));
      await Promise.all(loops.map(({ ended }) => ended));
    },
  };
}

const claims = ({ isQualified, clusters }: Observation): string =>
  `${isQualified} ${clusters.map(({ clusterId, view }) => `${clusterId}=${view}`).join(" ")}`;
