import { pino } from "pino";
import type { VerdictRecord } from "#lib/contracts/control-records.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { latestValue } from "#lib/latest-value.ts";
import type { ClusterLimits } from "../../../federator/core/verdicts/judge-cluster.ts";
import { judgeVerdicts } from "../../../federator/core/verdicts/judge-verdict.ts";
import { hasWitness } from "../../../federator/core/verdicts/weigh-evidence.ts";
import { type Gossip, startGossip } from "../../../federator/io/verdicts/gossip.ts";
import { type Health, watchHealth } from "../../../federator/io/verdicts/health.ts";
import { ownView } from "../../../federator/io/verdicts/own-view.ts";
import { probeClusters } from "../../../federator/io/verdicts/probe-clusters.ts";
import { runLoop } from "../../../federator/io/run-loop.ts";
import type { Links } from "../../../federator/ports.ts";
import { type Host, startHost } from "../engine/host.ts";
import { type Network, startNetwork } from "../engine/network.ts";
import { type SeededRandom, seededRandom } from "../engine/seeded-random.ts";
import { type VirtualTime, virtualTime } from "../engine/virtual-time.ts";
import { type SimulatedAgent, simulateAgent } from "../world/agent-process.ts";
import type { Bend } from "./disturbances.ts";
import { simulatedLinks } from "../world/federator-links.ts";

/** As under `meridian up`. */
const SETTINGS = {
  intervalMs: 500,
  timeoutMs: 500,
  retryMs: 100,
  limits: {
    refusalsToDown: 3,
    goodsToUp: 2,
    firstSightMs: 10_000,
    expectedIntervalMs: 500,
    deviationMinMs: 50,
    deviationMaxMs: 100,
    acceptablePauseMs: 1_900,
  },
  gossip: { intervalMs: 500, timeoutMs: 400, evidenceMaxAgeMs: 1_500 },
  eventLoopLagMaxMs: 1_000,
  verdicts: { upHoldMs: 5_000, upHoldMaxMs: 600_000, flapMemoryMs: 60_000 },
};
const TURN_MS = 250;
/** A loop whose turns fail is silent otherwise, and a federation that observes nothing never errs. */
const log = pino(
  { level: "warn" },
  {
    write: (line: string) => {
      throw new Error(`unexpected in this world: ${line}`);
    },
  },
);
const ONE_WAY_MS = { sameZone: 0.2, otherZone: 40 };

export interface JudgingZone {
  readonly name: string;
  readonly clusterId: string;
  readonly federator: Host;
  readonly agent: SimulatedAgent;
}

/** What happened: a zone stopped to use a cluster, or the federation decided that it is down. */
export interface TakenOut {
  readonly kind: "overlay" | "verdict";
  readonly byZone: string;
  readonly clusterId: string;
  readonly atMs: number;
}

/** The observing and deciding half of each zone's federator, as in production, in a world of agents, pauses and bad networks. */
export interface JudgingWorld {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly network: Network;
  readonly zones: readonly JudgingZone[];
  readonly takenOut: readonly TakenOut[];
}

export function startJudgingWorld(
  seed: string,
  names: readonly string[],
  bends: readonly Bend[] = [],
  acceptablePauseMs = SETTINGS.limits.acceptablePauseMs,
): JudgingWorld {
  const random = seededRandom(seed);
  const time = virtualTime({ tick: () => undefined });
  const network = startNetwork(time, random.fork("network"), (from, to) =>
    from === to ? ONE_WAY_MS.sameZone : ONE_WAY_MS.otherZone,
  );
  const takenOut: TakenOut[] = [];
  const verdicts = verdictBoard(names);
  const gossips = new Map<string, Gossip>();
  const zones = names.map((name) => {
    const agent = simulateAgent(time, clusterOf(name));
    agent.start();
    return {
      name,
      clusterId: clusterOf(name),
      agent,
      federator: startHost(time, `federator ${name}`, random.between(0.999, 1.001)),
    };
  });
  const zoneOf = (name: string) => zones.find((zone) => zone.name === name);

  for (const { name, federator } of zones) {
    const links = simulatedLinks({
      network,
      host: federator,
      place: name,
      agentOf: (zone) => zoneOf(zone)?.agent,
      hear: (zone, observation) => {
        const peer = zoneOf(zone)?.federator;
        peer?.deliver(() => gossips.get(zone)?.receive(observation));
        return peer;
      },
      onTold: () => undefined,
    });
    gossips.set(
      name,
      startObserver({
        name,
        names,
        links: bends.reduce((straight, bend) => bend(name, straight), links),
        federator,
        verdicts,
        takenOut,
        time,
        limits: { ...SETTINGS.limits, acceptablePauseMs },
      }),
    );
  }
  return { time, random, network, zones, takenOut };
}

const clusterOf = (zone: string): string => `${zone}-1`;

interface ObserverPlace {
  readonly name: string;
  readonly names: readonly string[];
  readonly links: Links;
  readonly federator: Host;
  readonly verdicts: VerdictBoard;
  readonly takenOut: TakenOut[];
  readonly time: VirtualTime;
  readonly limits: ClusterLimits;
}

function startObserver(place: ObserverPlace): Gossip {
  const { name, names, links, federator, verdicts, takenOut, time, limits } = place;
  const { clock } = federator;
  const zones = names.map(asZone);
  const note = (kind: TakenOut["kind"], clusterId: string) =>
    takenOut.push({ kind, byZone: name, clusterId, atMs: time.nowMs() });
  let health: Health | undefined;
  const tellNews = (): void => {
    health?.weigh();
    turns.wake();
  };

  const probing = probeClusters({
    zones,
    links,
    clock,
    log,
    ...SETTINGS,
    limits,
    onChange: () => {
      gossip.wake();
      tellNews();
    },
    onLooked: () => health?.weigh(),
  });
  const overlaid = latestValue<readonly string[]>([]);
  const gossip = startGossip({
    peerZones: names.filter((peer) => peer !== name),
    links,
    clock,
    log,
    ...SETTINGS.gossip,
    ownView: ownView({
      zone: name,
      bootId: name,
      probing,
      limits,
      lagMs: federator.lagMs,
      eventLoopLagMaxMs: SETTINGS.eventLoopLagMaxMs,
      settleMs: SETTINGS.gossip.evidenceMaxAgeMs,
      clock,
      isOut: (clusterId) => verdicts.isDown(clusterId) || overlaid.get().includes(clusterId),
      standing: () => ({}),
      demand: () => new Map(),
      load: () => ({}),
      arms: () => [],
    }),
    onHeard: tellNews,
  });
  const watched = watchHealth({
    zones,
    replica: verdicts.replica,
    records: verdicts.records,
    gossip,
    probing,
    evidenceMaxAgeMs: SETTINGS.gossip.evidenceMaxAgeMs,
    clock,
    canTakeOut: true,
  });
  health = watched;
  watched.overlay.subscribe((next) => {
    for (const id of next) if (!overlaid.get().includes(id)) note("overlay", id);
    overlaid.set(next);
  });
  const turns = runLoop(
    { name: "verdicts", intervalMs: TURN_MS, clock, log, signal: new AbortController().signal },
    () => {
      const verdictLimits = {
        ...SETTINGS.verdicts,
        evidenceMaxAgeMs: SETTINGS.gossip.evidenceMaxAgeMs,
        canTakeOut: true,
        hasWitness: hasWitness(names.length),
      };
      const surroundings = { ...watched.surroundings(), sessionRevisions: [1] };
      const nowMs = clock.nowMs();
      for (const decision of judgeVerdicts(watched.cases(), surroundings, nowMs, verdictLimits)) {
        if (decision.kind === "down") note("verdict", decision.clusterId);
        verdicts.write(decision.clusterId, decision.kind, decision.flaps);
      }
    },
  );
  return gossip;
}

type VerdictBoard = ReturnType<typeof verdictBoard>;

/** A catalog that everybody always sees at once: what is wrong here was judged wrong. */
function verdictBoard(names: readonly string[]) {
  const records = new Map<string, VerdictRecord>();
  const revisions = new Map<string, number>();
  let revision = 1;
  const write = (clusterId: string, state: "up" | "down", flaps: number): void => {
    revision += 1;
    revisions.set(keys.verdict(clusterId), revision);
    records.set(clusterId, {
      clusterId,
      state,
      cause: "unplanned",
      evidence: [],
      decidedBy: "somebody",
      decidedAtMs: 0,
      flaps,
    });
  };
  for (const name of names) write(clusterOf(name), "up", 0);
  return {
    write,
    isDown: (clusterId: string) => records.get(clusterId)?.state === "down",
    records: {
      verdict: (clusterId: string) => records.get(clusterId),
      cluster: () => undefined,
      zoneSession: () => undefined,
    },
    replica: {
      position: () => ({ incarnation: "i", revision }),
      list: () => [],
      get: (key: string) => {
        const modRevision = revisions.get(key);
        return modRevision === undefined ? undefined : { modRevision };
      },
    },
  };
}

const asZone = (name: string): Zone => ({
  name,
  region: name,
  jurisdiction: "xx",
  clusterId: clusterOf(name),
  latitudeDegrees: 0,
  longitudeDegrees: 0,
});
