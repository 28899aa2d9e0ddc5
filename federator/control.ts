import type { Logger } from "pino";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { ExtraObserver } from "#lib/ports/discovery.ts";
import type { Random } from "#lib/ports/random.ts";
import type { FederatorConfig } from "./config.ts";
import { type Feeding, startFeeding } from "./feeding.ts";
import { hasWitness } from "./core/verdicts/weigh-evidence.ts";
import { sightOf } from "./core/verdicts/judge-cluster.ts";
import { isBehind } from "./core/verdicts/judge-verdict.ts";
import { ownView } from "./io/verdicts/own-view.ts";
import { otherZones } from "./io/federation.ts";
import type { FederatorCounters, FederatorReadings } from "./io/federator-metrics.ts";
import type { Feed } from "./io/feed/feed.ts";
import { type Gossip, startGossip } from "./io/verdicts/gossip.ts";
import { balanceGrants } from "./io/quota/grants.ts";
import { type Health, watchHealth } from "./io/verdicts/health.ts";
import { standForLeader } from "./io/leading/leader-lease.ts";
import { probeClusters } from "./io/verdicts/probe-clusters.ts";
import type { RunningReplica } from "./io/replica/replica.ts";
import { keepPlanInput } from "./io/leading/plan-input.ts";
import { keepReports, type Reports } from "./io/verdicts/reports.ts";
import type { RightsLedger } from "./io/quota/rights.ts";
import { conductRollouts } from "./io/functions/rollouts.ts";
import { type TypedRecords, typedRecords } from "./io/typed-records.ts";
import { tendCatalog } from "./io/leading/tend-catalog.ts";
import { decideVerdicts, type Verdicts } from "./io/verdicts/verdicts.ts";
import type { ZoneSession } from "./io/quota/zone-session.ts";
import type { CatalogMembers, Federation, Links } from "./ports.ts";

export interface ControlPorts {
  readonly catalog: Catalog;
  readonly links: Links;
  readonly clock: Clock;
  readonly random: Random;
  /** The longest time this process did not come to its turn lately. */
  readonly lagMs: () => number;
  readonly extraObserver?: ExtraObserver;
  /** Absent where the catalog tends itself. */
  readonly catalogMembers?: CatalogMembers | undefined;
  /** The federator before wrote frames that look different. */
  readonly isNewFeedFormat?: boolean;
}

export interface Control {
  readonly feed: Feed;
  readonly reports: Reports;
  readonly gossip: Gossip;
  readonly records: TypedRecords;
  readonly planDown: Verdicts["planDown"];
  readonly sightOf: Federation["sightOf"];
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
  const closing = new AsyncDisposableStack();
  const records = typedRecords(replica);
  const reports = keepReports(ports.clock);
  const ground = { ...ports, config, replica, records, reports, sessionId, log, counters, closing };

  const { probing, health, gossip, tellVerdicts, receiversFrom } = startObserving(ground);
  const { session, rights, feed, hasManualFailback } = startFeeding({
    ...ground,
    overlay: health.overlay,
    observations: gossip.observations,
  });
  receiversFrom(feed);
  startBalancing(ground, { session, rights, feed, gossip });
  const { isLeader, verdicts, catalogFullShare } = startDeciding(
    { ...ground, hasManualFailback },
    health,
    gossip,
  );
  tellVerdicts(verdicts);
  return {
    feed,
    reports,
    gossip,
    records,
    planDown: verdicts.planDown,
    sightOf: (clusterId) => {
      const sight = sightOf(probing.clusters().get(clusterId), config);
      const its = health.cases().find((one) => one.clusterId === clusterId);
      return sight === "up" && its !== undefined && isBehind(its) ? "behind" : sight;
    },
    readings: {
      replicaRevision: () => replica.position().revision,
      replicaAgeMs: replica.ageMs,
      heldBackFunctions: () => replica.heldBack()?.removed ?? 0,
      receivers: () => feed.receivers().length,
      overlayClusters: () => health.overlay.get().length,
      clustersSeenDown: () =>
        [...probing.clusters().values()].filter(({ view }) => view === "down").length,
      isLeader,
      catalogFullShare,
    },
    close: () => closing.disposeAsync(),
  };
}

const canTakeOut = ({ failover, zones }: FederatorConfig): boolean =>
  failover === "on" && hasWitness(zones.length);

/** Probes and gossip; news is told to whoever must act on it. */
function startObserving(ground: Ground) {
  const { config, links, clock, log, closing } = ground;
  const { zone, zones } = config;
  // They come after the first observation was told: what they would say is not known then.
  let feed: Feed | undefined;
  let health: Health | undefined;
  let verdicts: Verdicts | undefined;
  const tellNews = (): void => {
    health?.weigh();
    verdicts?.wake();
  };

  const probing = probeClusters({
    ...ground,
    zones,
    limits: config,
    intervalMs: config.probeIntervalMs,
    timeoutMs: config.probeTimeoutMs,
    retryMs: config.probeRetryMs,
    onChange: () => {
      gossip.wake();
      tellNews();
    },
    onLooked: () => {
      health?.weigh();
      verdicts?.look();
    },
  });
  closing.defer(probing.close);
  const gossip = startGossip({
    peerZones: otherZones(zones, zone),
    links,
    clock,
    log,
    ownView: ownView({
      ...ground,
      zone,
      bootId: ground.sessionId,
      probing,
      limits: config,
      eventLoopLagMaxMs: config.eventLoopLagMaxMs,
      settleMs: config.evidenceMaxAgeMs,
      isOut: (clusterId) =>
        ground.records.verdict(clusterId)?.state === "down" ||
        health?.overlay.get().includes(clusterId) === true,
      standing: () => feed?.standing() ?? {},
      demand: ground.reports.demand,
      load: ground.reports.load,
      arms: ground.reports.arms,
      strandedRecords: () => ground.replica.strandedCount().served,
    }),
    intervalMs: config.gossipIntervalMs,
    timeoutMs: config.gossipTimeoutMs,
    evidenceMaxAgeMs: config.evidenceMaxAgeMs,
    onHeard: tellNews,
  });
  closing.defer(gossip.close);
  const watched = watchHealth({
    ...ground,
    zones,
    gossip,
    probing,
    evidenceMaxAgeMs: config.evidenceMaxAgeMs,
    canTakeOut: canTakeOut(config),
  });
  health = watched;
  return {
    probing,
    health: watched,
    gossip,
    tellVerdicts: (started: Verdicts) => {
      verdicts = started;
    },
    receiversFrom: (started: Feed) => {
      feed = started;
    },
  };
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

/** Verdicts, and who leads. */
function startDeciding(
  ground: Ground & Pick<Feeding, "hasManualFailback">,
  health: Health,
  gossip: Gossip,
) {
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
  const planInput = keepPlanInput({
    ...ground,
    leadership,
    zones: config.zones,
    observations: gossip.observations,
  });
  closing.defer(planInput.close);
  const { catalogMembers: members } = ground;
  const tending =
    members === undefined ? undefined : tendCatalog({ ...ground, members, gossip, leadership });
  if (tending !== undefined) closing.defer(tending.close);
  const rollouts = conductRollouts({
    ...ground,
    leadership,
    zone: config.zone,
    observations: gossip.observations,
  });
  closing.defer(rollouts.close);
  return {
    isLeader: () => leadership.actsAs() !== null,
    verdicts,
    catalogFullShare: () => tending?.fullShare() ?? 0,
  };
}
