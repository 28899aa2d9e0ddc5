import type { Logger } from "pino";
import type { Observation } from "#lib/contracts/zone-report.ts";
import { deadline } from "#lib/deadline.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { noteTransit, type Transit } from "../../core/verdicts/evidence-age.ts";
import type { Links } from "../../ports.ts";
import { runLoop } from "../run-loop.ts";
import type { OwnView } from "./own-view.ts";

/** Processes of a zone that were replaced, and whose last messages may still be under way. */
const FORMER_BOOTS_MAX = 16;

export interface GossipOptions {
  /** The other zones. */
  readonly peerZones: readonly string[];
  readonly links: Links;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ownView: OwnView;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly evidenceMaxAgeMs: number;
  /** After an observation that says something else than the one before. */
  readonly onHeard: () => void;
}

export interface Gossip {
  /** Own observation first, then those of the peers that are fresh. */
  readonly observations: () => readonly Observation[];
  /** The same, with only that of the own which evidence is made of. */
  readonly sightings: () => readonly ReturnType<OwnView["sighting"]>[];
  /** What each peer said last, if that is no older. */
  readonly heardWithin: (ageMaxMs: number) => readonly Observation[];
  readonly receive: (observation: Observation) => void;
  /** Tells the peers at once. */
  readonly wake: () => void;
  readonly close: () => Promise<void>;
}

interface Heard {
  readonly observation: Observation;
  /** When it was true, as far as can be told. */
  readonly atMs: number;
  readonly transit: Transit | undefined;
  readonly formerBoots: readonly string[];
}

/** Tells every other federator what this one sees; a peer that does not answer holds up nobody. */
export function startGossip(options: GossipOptions): Gossip {
  const { peerZones, links, clock, log, ownView } = options;
  const closing = new AbortController();
  const heard = new Map<string, Heard>();
  let sequence = 0;
  const observe = (): Observation => {
    sequence += 1;
    return { ...ownView.observation(), sequence, sentAtMs: clock.nowMs() };
  };
  const heardWithin: Gossip["heardWithin"] = (ageMaxMs) => {
    const sinceMs = clock.nowMs() - ageMaxMs;
    return Array.from(
      heard.values().filter(({ atMs }) => atMs >= sinceMs),
      ({ observation }) => observation,
    );
  };
  const fresh = (): readonly Observation[] => heardWithin(options.evidenceMaxAgeMs);

  const tell = async (peerZone: string, signal: AbortSignal): Promise<void> => {
    using limit = deadline(clock, options.timeoutMs, signal);
    await links
      .tell(peerZone, observe(), limit.signal)
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
    observations: () => [observe(), ...fresh()],
    sightings: () => [ownView.sighting(), ...fresh()],
    heardWithin,
    receive: (observation) => {
      if (!peerZones.includes(observation.zone)) return;
      const before = heard.get(observation.zone);
      if (before !== undefined && isLate(before, observation)) return;
      heard.set(observation.zone, note(before, observation, clock.nowMs()));
      if (before === undefined || claims(before.observation) !== claims(observation))
        options.onHeard();
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

/** A copy, an older one, or the word of a process that another has replaced. */
const isLate = ({ observation, formerBoots }: Heard, { bootId, sequence }: Observation): boolean =>
  formerBoots.includes(bootId) ||
  (observation.bootId === bootId && observation.sequence >= sequence);

function note(before: Heard | undefined, observation: Observation, nowMs: number): Heard {
  const { bootId, sentAtMs } = observation;
  const isSameProcess = before?.observation.bootId === bootId;
  const formerBoots =
    before === undefined || isSameProcess
      ? (before?.formerBoots ?? [])
      : [...before.formerBoots, before.observation.bootId].slice(-FORMER_BOOTS_MAX);
  if (sentAtMs === undefined) return { observation, atMs: nowMs, transit: undefined, formerBoots };
  const { transit, ageMs } = noteTransit(
    isSameProcess ? before.transit : undefined,
    sentAtMs,
    nowMs,
  );
  return { observation, atMs: nowMs - ageMs, transit, formerBoots };
}

const claims = ({ isQualified, clusters }: Observation): string =>
  `${isQualified} ${clusters.map(({ clusterId, view }) => `${clusterId}=${view}`).join(" ")}`;
