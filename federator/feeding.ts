import type { Logger } from "pino";
import type { Observation } from "#lib/contracts/zone-report.ts";
import type { LatestValue } from "#lib/latest-value.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { FederatorConfig } from "./config.ts";
import { compiledTable } from "./core/feed/compiled-table.ts";
import type { WaveZone } from "./core/feed/plan-waves.ts";
import type { FederatorCounters } from "./io/federator-metrics.ts";
import { type Feed, startFeed } from "./io/feed/feed.ts";
import type { RunningReplica } from "./io/replica/replica.ts";
import { type RightsLedger, rightsLedger } from "./io/quota/rights.ts";
import { type RouteCompiler, routeCompiler } from "./io/feed/route-compiler.ts";
import type { TypedRecords } from "./io/typed-records.ts";
import { startWaves } from "./io/feed/waves.ts";
import { keepZoneSession, type ZoneSession } from "./io/quota/zone-session.ts";

/** A federator that starts has its session within this time, unless the catalog cannot be reached. */
const SESSION_GAIN_MS = 3_000;
/** An earlier zone that says nothing of a table is waited for so long, and a receiver that does not take it. */
const WAVE_SILENCE_MAX_MS = 10_000;

export interface FeedingOptions {
  readonly config: FederatorConfig;
  readonly catalog: Catalog;
  readonly replica: RunningReplica;
  readonly records: TypedRecords;
  readonly sessionId: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly counters: FederatorCounters;
  readonly closing: AsyncDisposableStack;
  readonly overlay: LatestValue<readonly string[]>;
  readonly observations: () => readonly Observation[];
  readonly isNewFeedFormat?: boolean;
}

export interface Feeding {
  readonly session: ZoneSession;
  readonly rights: RightsLedger;
  readonly feed: Feed;
  readonly hasManualFailback: RouteCompiler["hasManualFailback"];
}

/** The table, the overlay and the rights, to every gateway and agent of the zone. */
export function startFeeding(options: FeedingOptions): Feeding {
  const { config, replica, clock, closing, counters, log } = options;
  const session = keepZoneSession({
    ...options,
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
    (asOfRevision) =>
      session.leaseValidForMs(asOfRevision) > 0 || clock.nowMs() - startedAtMs > SESSION_GAIN_MS,
  );
  const table = compiledTable();
  const waves = startWaves({
    table,
    clock,
    log,
    limits: {
      soakMs: config.waveSoakMs,
      zoneSilenceMaxMs: WAVE_SILENCE_MAX_MS,
      receiverSilenceMaxMs: WAVE_SILENCE_MAX_MS,
    },
    isNewFormat: options.isNewFeedFormat ?? false,
    onRefused: counters.waveRefusal,
  });
  const compiler = routeCompiler({
    ...options,
    clusterIds: config.zones.map(({ clusterId }) => clusterId),
    table,
    beforeApply: waves.beforeApply,
  });
  closing.defer(compiler.close);
  const feed = startFeed({
    ...options,
    zone: config.zone,
    table,
    compiler,
    waves,
    rights,
    replicaAgeMs: replica.ageMs,
    otherZones: () => zonesWithGateways(options.observations(), config.zone),
    onRefused: (receiver, reason) => {
      counters.refusal();
      log.warn(
        { receiver, reason },
        "a receiver turned the table down and keeps its last good one",
      );
    },
  });
  closing.defer(feed.close);
  return { session, rights, feed, hasManualFailback: compiler.hasManualFailback };
}

const zonesWithGateways = (
  observations: readonly Observation[],
  ownZone: string,
): readonly WaveZone[] =>
  observations
    .filter(
      ({ zone, accepted, refused }) => zone !== ownZone && (accepted ?? refused) !== undefined,
    )
    .map(({ zone, accepted, refused }) => ({ zone, accepted, refused }));
