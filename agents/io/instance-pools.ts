import { chooseEvictions } from "../core/choose-evictions.ts";
import type { IdleGaps } from "../core/scaling/idle-gaps.ts";
import { learntRequestState } from "../core/scaling/scale-by-requests.ts";
import type { ScaleState } from "../core/scaling/scale-state.ts";
import { hasFloor } from "../core/scaling/scaling-spec.ts";
import type { InstanceState } from "../core/instance-lifecycle.ts";
import { instanceRoom, type RoomLimits } from "../core/instance-room.ts";
import type { VersionLoad } from "../core/summarize-zone.ts";
import type { LeftCall } from "../drivers/driver.ts";
import { alarm } from "./alarm.ts";
import type { CallOutcome, PoolCall } from "./call-outcome.ts";
import type { PoolInstance } from "./pool-instance.ts";
import type { PoolVersion } from "./pool-version.ts";
import type { PoolPorts } from "./pool-ports.ts";
import { versionIdentity, versionKey } from "./version-key.ts";
import {
  type ClusterShare,
  type PoolLimits,
  type VersionPool,
  versionPool,
} from "./version-pool.ts";

/** Pools of versions at zero are forgotten after a look this often. */
const SWEEP_INTERVAL_MS = 10_000;
/** Versions at zero whose rhythm is remembered; beyond, the one that came to zero first is forgotten. */
const REMEMBERED_MAX = 10_000;
/** Of the cluster, what instances without a call may fill, so that calls always find some. */
const SPARE_SHARE = 0.5;
/** While calls wait in a full cluster. */
const LOOK_AGAIN_MS = 100;

/** All instances of the cluster, by version. */
export interface InstancePools {
  readonly run: (of: PoolVersion, call: PoolCall) => Promise<CallOutcome>;
  /** An instance of the version that takes calls, with those that an agent before this one gave it. */
  readonly adopt: (of: PoolVersion, instance: PoolInstance, leftCalls: readonly LeftCall[]) => void;
  readonly loads: () => readonly VersionLoad[];
  /**
   * Ends the pools of versions that have other code or configuration now. Those that the table does not know at all are quarantined:
   * not called, and not ended for a table that may itself be wrong, as after a long absence; the idle limits end them.
   */
  readonly keepKnown: (current: (of: PoolVersion) => PoolVersion | undefined) => void;
  /** What the table names of a function now: instances that these versions ask for without a call are kept ready. */
  readonly place: (functionKey: string, versions: readonly PoolVersion[]) => void;
  /** Calls at the same time that may soon be here; versions that are not named expect none. */
  readonly expect: (expected: readonly ExpectedCalls[]) => void;
  /** What was learnt of versions' idle times, by `versionIdentity`; what came last stands last. */
  readonly rhythms: () => readonly (readonly [string, IdleGaps])[];
  readonly close: () => void;
}

export interface ExpectedCalls {
  readonly of: PoolVersion;
  readonly calls: number;
}

export function instancePools(
  ports: PoolPorts,
  limits: PoolLimits & RoomLimits,
  concurrencyMax: (tenant: string) => number,
  learnt: ReadonlyMap<string, IdleGaps> = new Map(),
): InstancePools {
  const pools = new Map<string, VersionPool>();
  const calls = callTally();
  const toReview = new Set<VersionPool>();
  const hungry = new Set<VersionPool>();
  const short = new Set<VersionPool>();
  const quarantined = new WeakSet<VersionPool>();
  const remembered = new Map<string, ScaleState>(
    learnt.entries().map(([identity, gaps]) => [identity, learntRequestState(gaps)]),
  );
  const placed = new Map<string, readonly VersionPool[]>();
  let expecting: readonly VersionPool[] = [];

  const share: ClusterShare = {
    room: (tenant) => instanceRoom(live(pools), tenant, concurrencyMax(tenant), limits),
    spareRoom: (tenant) => {
      if (hungry.size > 0) return 0;
      const all = live(pools);
      const idle = all.filter(({ state }) => state.kind !== "busy").length;
      const left = Math.floor(limits.instancesMax * SPARE_SHARE) - idle;
      return Math.max(0, Math.min(left, instanceRoom(all, tenant, concurrencyMax(tenant), limits)));
    },
    mayRun: (tenant) => calls.of(tenant) < concurrencyMax(tenant),
    callStarted: (tenant) => calls.add(tenant, 1),
    callEnded: (tenant) => calls.add(tenant, -1),
    changed: (pool) => {
      if (toReview.size === 0) queueMicrotask(reviewChanged);
      toReview.add(pool);
    },
  };

  /** What one pool gave back another may need, so every pool with waiting calls is looked at too. */
  const reviewChanged = (): void => {
    const pending = new Set([...hungry, ...toReview, ...short]);
    toReview.clear();
    for (const pool of pending) {
      pool.review();
      // Taken out and put back at the end, so that they take turns.
      hungry.delete(pool);
      if (pool.queued() > 0) hungry.add(pool);
      short.delete(pool);
      if (pool.isShort()) short.add(pool);
    }
    if (hungry.size > 0) makeRoom();
  };

  /** Where the cluster is full, idle instances of some versions make place for waiting calls of others. */
  const makeRoom = (): void => {
    const all = live(pools);
    if (all.length < limits.instancesMax) return;
    const nowMs = ports.clock.nowMs();
    const count = (kind: InstanceState["kind"]) =>
      all.filter(({ state }) => state.kind === kind).length;
    const changing = {
      leaving: count("draining"),
      starting: count("starting"),
      places: limits.instancesMax,
    };
    const needs = Array.from(hungry, (pool) => ({
      tier: tierOf(pool),
      isStarved: pool.instances().every(({ state }) => state.kind === "draining"),
      lacking: Math.min(pool.lacking(), startable(pool.of.tenant, all)),
      waitedMs: pool.waitedMs(),
    }));
    const evictable = [...pools.values()].flatMap((pool) =>
      pool
        .evictable()
        .map((instance) => ({ pool, instance, tier: tierOf(pool), state: instance.state })),
    );
    for (const { pool, instance } of chooseEvictions(evictable, needs, changing, nowMs))
      pool.retire(instance);
    // Who may have to go is decided by time as well: nothing else may happen until then.
    nextLook.setFor(nowMs + LOOK_AGAIN_MS);
  };
  const nextLook = alarm(ports.clock, () => {
    if (hungry.size > 0) makeRoom();
  });
  /** Were there place. */
  const startable = (tenant: string, all: ReturnType<typeof live>): number =>
    instanceRoom(all, tenant, concurrencyMax(tenant), { ...limits, instancesMax: Infinity });

  const poolOf = (of: PoolVersion): VersionPool => {
    const key = versionKey(of);
    const known = pools.get(key);
    if (known !== undefined) return known;
    const identity = versionIdentity(of);
    const pool = versionPool(of, ports, limits, share, remembered.get(identity));
    remembered.delete(identity);
    pools.set(key, pool);
    return pool;
  };
  const forget = (key: string, pool: VersionPool): void => {
    pools.delete(key);
    short.delete(pool);
    remembered.set(versionIdentity(pool.of), pool.scaleState());
    const [oldest] = remembered.keys();
    if (remembered.size > REMEMBERED_MAX && oldest !== undefined) remembered.delete(oldest);
  };
  const sweeping = setInterval(() => {
    for (const [key, pool] of pools) if (pool.isAtRest()) forget(key, pool);
  }, SWEEP_INTERVAL_MS);
  sweeping.unref();

  return {
    run: (of, call) => poolOf(of).run(call),
    adopt: (of, instance, leftCalls) => poolOf(of).adopt(instance, leftCalls),
    place: (functionKey, versions) => {
      const asking = versions.filter(({ version }) => hasFloor(version.manifest.scaling));
      const now = asking.map(poolOf);
      for (const pool of placed.get(functionKey) ?? []) if (!now.includes(pool)) pool.place(false);
      for (const pool of now) pool.place(true);
      if (now.length === 0) placed.delete(functionKey);
      else placed.set(functionKey, now);
    },
    expect: (expected) => {
      const now = expected.map(({ of, calls }) => ({ pool: poolOf(of), calls }));
      const named = new Set(now.map(({ pool }) => pool));
      for (const pool of expecting) if (!named.has(pool)) pool.expectCalls(0);
      for (const { pool, calls } of now) pool.expectCalls(calls);
      expecting = [...named];
    },
    rhythms: () =>
      [
        ...remembered,
        ...pools.values().map((pool) => [versionIdentity(pool.of), pool.scaleState()] as const),
      ].flatMap(([identity, state]) =>
        state.kind === "request" && state.gaps.count > 0 ? [[identity, state.gaps] as const] : [],
      ),
    loads: () =>
      [...pools.values()].map((pool) => ({
        ...pool.load(),
        isQuarantined: quarantined.has(pool),
      })),
    keepKnown: (current) => {
      for (const [key, pool] of pools) {
        const known = current(pool.of);
        quarantined.delete(pool);
        if (known === undefined) {
          quarantined.add(pool);
          pool.place(false);
          pool.refuseWaiting();
        } else if (versionKey(known) !== key) pool.retireAll();
      }
    },
    close: () => {
      clearInterval(sweeping);
      nextLook.cancel();
      for (const pool of pools.values()) pool.retireAll();
    },
  };
}

const live = (pools: ReadonlyMap<string, VersionPool>) =>
  [...pools.values()].flatMap((pool) =>
    pool
      .instances()
      .map((instance) => ({ pool, instance, tenant: pool.of.tenant, state: instance.state })),
  );

const tierOf = ({ of }: VersionPool) => of.version.manifest.placement.tier;

/** Running calls by tenant. */
function callTally() {
  const calls = new Map<string, number>();
  const of = (tenant: string): number => calls.get(tenant) ?? 0;
  return {
    of,
    add: (tenant: string, change: 1 | -1): void => {
      const sum = of(tenant) + change;
      if (sum === 0) calls.delete(tenant);
      else calls.set(tenant, sum);
    },
  };
}
