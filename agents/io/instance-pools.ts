import { canonicalJson } from "#lib/table-digest.ts";
import { chooseEvictions } from "../core/decide-scale.ts";
import { instanceRoom, type RoomLimits } from "../core/instance-room.ts";
import type { VersionLoad } from "../core/summarize-zone.ts";
import type { CallOutcome, PoolCall } from "./call-outcome.ts";
import type { PoolVersion } from "./pool-version.ts";
import type { PoolPorts } from "./pool-ports.ts";
import {
  type ClusterShare,
  type PoolLimits,
  type VersionPool,
  versionPool,
} from "./version-pool.ts";

/** Pools of versions at zero are forgotten after a look this often. */
const SWEEP_INTERVAL_MS = 10_000;

/** All instances of the cluster, by version. */
export interface InstancePools {
  readonly run: (of: PoolVersion, call: PoolCall) => Promise<CallOutcome>;
  readonly loads: () => readonly VersionLoad[];
  /**
   * Ends the pools of versions that have other code or configuration now. Those that the table does not know at all are quarantined:
   * not called, and not ended for a table that may itself be wrong, as after a long absence; the idle limits end them.
   */
  readonly keepKnown: (current: (of: PoolVersion) => PoolVersion | undefined) => void;
  readonly close: () => void;
}

export function instancePools(
  ports: PoolPorts,
  limits: PoolLimits & RoomLimits,
  concurrencyMax: (tenant: string) => number,
): InstancePools {
  const pools = new Map<string, VersionPool>();
  const keyOf = versionKeys();
  const calls = callTally();
  const toReview = new Set<VersionPool>();
  const hungry = new Set<VersionPool>();
  const quarantined = new WeakSet<VersionPool>();

  const share: ClusterShare = {
    room: (tenant) => instanceRoom(live(pools), tenant, concurrencyMax(tenant), limits),
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
    const pending = new Set([...toReview, ...hungry]);
    toReview.clear();
    for (const pool of pending) {
      pool.review();
      // Taken out and put back at the end, so that they take turns.
      hungry.delete(pool);
      if (pool.queued() > 0) hungry.add(pool);
    }
    if (hungry.size > 0) makeRoom();
  };

  /** Where the cluster is full, an idle instance of one version makes place for a waiting call of another. */
  const makeRoom = (): void => {
    const all = live(pools);
    if (all.length < limits.instancesMax) return;
    const leaving = all.filter(({ state }) => state.kind === "draining").length;
    const starved = [...hungry].filter((pool) =>
      pool.instances().every(({ state }) => state.kind === "draining"),
    );
    for (const { pool, instance } of chooseEvictions(all, starved.length - leaving))
      pool.retire(instance);
  };

  const sweeping = setInterval(() => {
    for (const [key, pool] of pools) if (pool.isAtRest()) pools.delete(key);
  }, SWEEP_INTERVAL_MS);
  sweeping.unref();

  return {
    run: (of, call) => {
      const key = keyOf(of);
      let pool = pools.get(key);
      if (pool === undefined) {
        pool = versionPool(of, ports, limits, share);
        pools.set(key, pool);
      }
      return pool.run(call);
    },
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
          pool.refuseWaiting();
        } else if (keyOf(known) !== key) pool.retireAll();
      }
    },
    close: () => {
      clearInterval(sweeping);
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

/** A zone that serves what a restored catalog lost may meet a number twice: the number alone does not name the code. */
function versionKeys(): (of: PoolVersion) => string {
  const contents = new WeakMap<PoolVersion["version"], string>();
  return ({ tenant, functionName, version }) => {
    const content = contents.get(version) ?? canonicalJson(version);
    contents.set(version, content);
    return `${tenant}/${functionName}/${content}`;
  };
}

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
