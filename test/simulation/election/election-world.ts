import type { Catalog } from "#lib/ports/catalog.ts";
import { type HeldKey, holdKey } from "../../../federator/io/leading/held-key.ts";
import { type Host, startHost } from "../engine/host.ts";
import { type Network, startNetwork } from "../engine/network.ts";
import { type SeededRandom, seededRandom } from "../engine/seeded-random.ts";
import { type VirtualTime, virtualTime } from "../engine/virtual-time.ts";
import { linkCatalog } from "../world/catalog-link.ts";
import { type SimulatedCatalog, simulateCatalog } from "../world/catalog-process.ts";
import type { TrueRevision } from "../world/catalog-truth.ts";
import { silentLog } from "../world/silent-log.ts";

export const TTL_MS = 600;
const ACT_EVERY_MS = 70;
/** Machines that keep time to a thousandth. */
const RATE = { low: 0.999, high: 1.001 } as const;
const SEAT = "leader";
const WORK = "work";

export interface Candidate {
  readonly zone: string;
  readonly host: Host;
  readonly seat: HeldKey;
}

/** What must never be, with its time. */
export interface Wrong {
  readonly atMs: number;
  readonly what: string;
}

/** Mistakes on purpose, to see that they are seen. */
export interface Planted {
  /** Acts do not compare the token. */
  readonly isUnfenced?: boolean;
  /** A clock that this world does not promise: beliefs last too long. */
  readonly clockRate?: number;
}

/** Candidates for one seat, each acting as leader whenever it believes to be, over a network that may do anything. */
export interface ElectionWorld {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly network: Network;
  readonly server: SimulatedCatalog;
  readonly zones: readonly string[];
  readonly candidate: (zone: string) => Candidate | undefined;
  readonly start: (zone: string) => void;
  readonly kill: (zone: string) => void;
  readonly wrongs: readonly Wrong[];
  readonly acts: () => number;
  readonly elections: () => number;
}

export function startElectionWorld(seed: string, planted: Planted = {}): ElectionWorld {
  const random = seededRandom(seed);
  const time = virtualTime({ tick: () => undefined });
  const network = startNetwork(time, random.fork("network"), () => 5);
  const zones = ["a", "b", "c"];
  const candidates = new Map<string, Candidate>();
  const judge = judgeHistory(time, () => [...candidates.values()]);
  const server = simulateCatalog(time, random.fork("catalog"), {
    onRevision: (_truth, revision) => judge.onRevision(revision),
    onDied: () => undefined,
  });
  let lives = 0;

  const start = (zone: string): void => {
    lives += 1;
    const sessionId = `${zone}#${lives}`;
    const rate = planted.clockRate ?? random.between(RATE.low, RATE.high);
    const host = startHost(time, sessionId, rate);
    const { catalog } = linkCatalog(network, server, host, zone);
    const seat = holdKey({
      catalog,
      clock: host.clock,
      log: silentLog,
      key: SEAT,
      value: sessionId,
      ttlMs: TTL_MS,
      isPredecessor: ({ value }) => value.startsWith(`${zone}#`) && value !== sessionId,
      succession: "depose",
    });
    candidates.set(zone, { zone, host, seat });
    void actForEver(planted.isUnfenced === true ? unfenced(catalog) : catalog, host, seat);
  };
  server.start();
  for (const zone of zones) start(zone);
  return {
    time,
    random,
    network,
    server,
    zones,
    candidate: (zone) => candidates.get(zone),
    start,
    kill: (zone) => {
      candidates.get(zone)?.host.kill();
      candidates.delete(zone);
    },
    ...judge,
  };
}

/** Each act compares the token it was decided under: it may be sent much later, and arrive later still. */
async function actForEver(catalog: Catalog, host: Host, seat: HeldKey): Promise<void> {
  for (;;) {
    await host.clock.sleep(ACT_EVERY_MS);
    const held = seat.held();
    if (held === null) continue;
    const revision = held.createRevision;
    const value = JSON.stringify({ sessionId: host.name, token: revision });
    catalog
      .txn({
        compares: [{ kind: "created-at", key: SEAT, revision }],
        operations: [{ kind: "put", key: WORK, value }],
      })
      .catch(() => undefined);
  }
}

const unfenced = (catalog: Catalog): Catalog => ({
  ...catalog,
  txn: (transaction, signal) => catalog.txn({ ...transaction, compares: [] }, signal),
});

/** Sees every revision in the order of the one history, at the very moment it is made. */
function judgeHistory(time: VirtualTime, candidates: () => readonly Candidate[]) {
  const wrongs: Wrong[] = [];
  let elections = 0;
  let acts = 0;
  let newestToken = 0;
  let elected = "";
  const wrong = (what: string): void => {
    wrongs.push({ atMs: time.nowMs(), what });
  };

  const onSeat = (sessionId: string | undefined, revision: number): void => {
    for (const { host, seat } of candidates()) {
      const belief = seat.held();
      if (belief !== null && host.name !== sessionId)
        wrong(`${host.name} believes in ${belief.createRevision} at ${revision}, which ends it`);
    }
    if (sessionId === undefined) return;
    elections += 1;
    newestToken = revision;
    elected = sessionId;
  };
  return {
    wrongs,
    acts: () => acts,
    elections: () => elections,
    onRevision: ({ revision, changes }: TrueRevision): void => {
      for (const change of changes) {
        const key = change.kind === "put" ? change.record.key : change.key;
        const value = change.kind === "put" ? change.record.value : undefined;
        if (key === SEAT) onSeat(value, revision);
        if (key !== WORK || value === undefined) continue;
        acts += 1;
        const { sessionId, token } = JSON.parse(value) as { sessionId: string; token: number };
        if (token !== newestToken || sessionId !== elected)
          wrong(
            `an act of ${sessionId} under ${token} after ${elected} was elected at ${newestToken}`,
          );
      }
    },
  };
}
