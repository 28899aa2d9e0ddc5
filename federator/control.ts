import type { Logger } from "pino";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Discovery } from "#lib/io/run-directory.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { FederatorConfig } from "./config.ts";
import { hasWitness } from "./core/weigh-evidence.ts";
import { watchEventLoopLag } from "./io/event-loop-lag.ts";
import { internalUrls, openZoneDesk, otherZones, type ZoneDesk } from "./io/federation.ts";
import type { FederatorCounters, FederatorReadings } from "./io/federator-metrics.ts";
import { type Feed, startFeed } from "./io/feed.ts";
import { type Gossip, startGossip } from "./io/gossip.ts";
import { balanceGrants } from "./io/grants.ts";
import { describeOwnView, type Health, watchHealth } from "./io/health.ts";
import { standForLeader } from "./io/leader-lease.ts";
import { probeClusters } from "./io/probe-clusters.ts";
import type { RunningReplica } from "./io/replica.ts";
import { keepReports, type Reports } from "./io/reports.ts";
import { type RightsLedger, rightsLedger } from "./io/rights.ts";
import { routeCompiler } from "./io/route-compiler.ts";
import { type TypedRecords, typedRecords } from "./io/typed-records.ts";
import { decideVerdicts } from "./io/verdicts.ts";
import { keepZoneSession, type ZoneSession } from "./io/zone-session.ts";

/** A federator that starts has its session within this time, unless the catalog cannot be reached. */
const SESSION_GAIN_MS = 3_000;

export interface ControlPorts {
  readonly catalog: Catalog;
  readonly discovery: Discovery;
  readonly client: InternalClient;
  readonly clock: Clock;
}

export interface Control {
  readonly feed: Feed;
  readonly reports: Reports;
  readonly gossip: Gossip;
  readonly desk: ZoneDesk;
  readonly readings: FederatorReadings;
  readonly close: () => Promise<void>;
}

/** What every part of the control side shares. */
interface Ground extends ControlPorts {
  readonly config: FederatorConfig;
  readonly replica: RunningReplica;
  readonly records: TypedRecords;
  readonly reports: Reports;
  readonly sessionId: string;
  readonly log: Logger;
  readonly counters: FederatorCounters;
  readonly closing: AsyncDisposableStack;
}

/**
 * The loops of a federator, each at its own pace and none waiting for another: observe the clusters and tell the peers, take
 * what is down out of the zone's tables, write verdicts, divide quotas, feed gateways and agents. With the catalog gone, all
 * go on but the writing.
 */
export function startControl(
  config: FederatorConfig,
  ports: ControlPorts,
  replica: RunningReplica,
  sessionId: string,
  log: Logger,
  counters: FederatorCounters,
): Control {
  const { discovery, client, clock } = ports;
  const { zones } = config;
  const closing = new AsyncDisposableStack();
  const records = typedRecords(replica);
  const reports = keepReports(clock);
  const ground = { ...ports, config, replica, records, reports, sessionId, log, counters, closing };

  const { probing, health, gossip, onNews } = startObserving(ground);
  const { session, rights, feed } = startFeeding(ground, health);
  startBalancing(ground, { session, rights, feed, gossip });
  const isLeader = startDeciding(ground, health, onNews);

  const zone = zones.find(({ name }) => name === config.zone);
  if (zone === undefined) throw new Error(`${config.zone} is not among the configured zones`);
  const desk = openZoneDesk({ zone, zones, discovery, client, replica, records, feed, reports });
  return {
    feed,
    reports,
    gossip,
    desk,
    readings: {
      replicaRevision: () => replica.position().revision,
      replicaAgeMs: replica.ageMs,
      heldBackFunctions: () => replica.heldBack()?.removed ?? 0,
      receivers: () => feed.receivers().length,
      overlayClusters: () => health.overlay.get().length,
      clustersSeenDown: () =>
        [...probing.clusters().values()].filter(({ view }) => view === "down").length,
      isLeader,
    },
    close: () => closing.disposeAsync(),
  };
}

const canTakeOut = ({ failover, zones }: FederatorConfig): boolean =>
  failover === "on" && hasWitness(zones.length);

/** Probes and gossip; news is told to whoever must act on it. */
function startObserving(ground: Ground) {
  const { config, discovery, client, clock, log, closing } = ground;
  const { zone, zones } = config;
  const listeners = new Set<() => void>();
  const tellNews = (): void => {
    for (const listener of listeners) listener();
  };

  const lag = watchEventLoopLag();
  closing.defer(lag.close);
  const probing = probeClusters({
    zones,
    discovery,
    client,
    clock,
    log,
    limits: config,
    intervalMs: config.probeIntervalMs,
    timeoutMs: config.probeTimeoutMs,
    onChange: () => {
      gossip.wake();
      tellNews();
    },
  });
  closing.defer(probing.close);
  const peerZones = otherZones(zones, zone);
  const gossip = startGossip({
    peerZones,
    peers: () => internalUrls(discovery, "federator", peerZones),
    client,
    clock,
    log,
    observe: () =>
      describeOwnView({
        zone,
        bootId: ground.sessionId,
        probing,
        lag,
        eventLoopLagMaxMs: config.eventLoopLagMaxMs,
        clock,
        demand: ground.reports.demand,
      }),
    intervalMs: config.gossipIntervalMs,
    timeoutMs: config.gossipTimeoutMs,
    evidenceMaxAgeMs: config.evidenceMaxAgeMs,
    onHeard: tellNews,
  });
  closing.defer(gossip.close);
  const health = watchHealth({ ...ground, zones, gossip, probing, canTakeOut: canTakeOut(config) });
  closing.defer(health.close);
  listeners.add(health.weigh);
  return { probing, health, gossip, onNews: (listener: () => void) => listeners.add(listener) };
}

/** The table, the overlay and the rights, to every gateway and agent of the zone. */
function startFeeding(ground: Ground, health: Health) {
  const { config, replica, records, clock, closing, counters, log } = ground;
  const session = keepZoneSession({
    ...ground,
    zone: config.zone,
    ttlMs: config.sessionTtlMs,
    onRenewed: () => {
      rights.renewed();
      feed.pump();
    },
  });
  closing.defer(session.close);
  const startedAtMs = clock.nowMs();
  const rights = rightsLedger(
    clock,
    session.leaseValidForMs,
    () => session.leaseValidForMs() > 0 || clock.nowMs() - startedAtMs > SESSION_GAIN_MS,
  );
  const compiler = routeCompiler(
    replica,
    records,
    config.zones.map(({ clusterId }) => clusterId),
  );
  closing.defer(compiler.close);
  const feed = startFeed({
    compiler,
    overlay: health.overlay,
    rights,
    clock,
    onRefused: (receiver, reason) => {
      counters.refusal();
      log.warn(
        { receiver, reason },
        "a receiver turned the table down and keeps its last good one",
      );
    },
  });
  closing.defer(feed.close);
  return { session, rights, feed };
}

interface BalancingParts {
  readonly session: ZoneSession;
  readonly rights: RightsLedger;
  readonly feed: Feed;
  readonly gossip: Gossip;
}

function startBalancing(ground: Ground, { session, rights, feed, gossip }: BalancingParts): void {
  const { config, closing } = ground;
  const grants = balanceGrants({
    ...ground,
    session,
    rights,
    observations: gossip.observations,
    zone: config.zone,
    zones: config.zones.map(({ name }) => name),
    sessionTtlMs: config.sessionTtlMs,
    intervalMs: config.grantsIntervalMs,
    pump: feed.pump,
  });
  closing.defer(grants.close);
}

/** Verdicts, and who leads; tells whether this federator does. */
function startDeciding(
  ground: Ground,
  health: Health,
  onNews: (listener: () => void) => void,
): () => boolean {
  const { config, closing, counters } = ground;
  const leadership = standForLeader({
    ...ground,
    zone: config.zone,
    ttlMs: config.leaderTtlMs,
  });
  closing.defer(leadership.close);
  const verdicts = decideVerdicts({
    ...ground,
    health,
    leadership,
    zone: config.zone,
    limits: {
      ...config,
      canTakeOut: canTakeOut(config),
      hasWitness: hasWitness(config.zones.length),
    },
    rampMs: config.rampMs,
    onVerdict: counters.verdict,
  });
  closing.defer(verdicts.close);
  onNews(verdicts.wake);
  return () => leadership.fence() !== null;
}
