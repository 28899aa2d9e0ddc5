import { canonicalJson } from "#lib/table-digest.ts";
import { chooseEvictions } from "../core/decide-scale.ts";
import type { VersionLoad } from "../core/summarize-zone.ts";
import type { CallOutcome, PoolCall } from "./call-outcome.ts";
import type { PoolPorts, PoolVersion } from "./pool-ports.ts";
import {
  type ClusterShare,
  type PoolLimits,
  type VersionPool,
  versionPool,
} from "./version-pool.ts";

/** Pools of versions at zero are forgotten after a look this often. */
const SWEEP_INTERVAL_MS = 10_000;

export interface ClusterLimits extends PoolLimits {
  readonly instancesMax: number;
  /** Starts that run side by side; more of them only make each other slow. */
  readonly startsMax: number;
}

/** All instances of the cluster, by version. */
export interface InstancePools {
  readonly run: (of: PoolVersion, call: PoolCall) => Promise<CallOutcome>;
  readonly loads: () => readonly VersionLoad[];
  /** Ends the pools of versions that are not known any more, or not with the same code and configuration. */
  readonly keepKnown: (current: (of: PoolVersion) => PoolVersion | undefined) => void;
  readonly close: () => void;
}

export function instancePools(
  ports: PoolPorts,
  limits: ClusterLimits,
  concurrencyMax: (tenant: string) => number,
): InstancePools {
  const pools = new Map<string, VersionPool>();
  const keys = new WeakMap<PoolVersion["version"], string>();
  const callsOf = new Map<string, number>();
  const toReview = new Set<VersionPool>();

  const keyOf = ({ tenant, functionName, version }: PoolVersion): string => {
    // A function that was deleted and made again counts its versions from 1 again: the number alone does not name the code.
    const content = keys.get(version) ?? canonicalJson(version);
    keys.set(version, content);
    return `${tenant}/${functionName}/${content}`;
  };
  const live = () => [...pools.values()].flatMap((pool) => pool.instances());
  const addCalls = (tenant: string, change: 1 | -1): void => {
    const calls = (callsOf.get(tenant) ?? 0) + change;
    if (calls === 0) callsOf.delete(tenant);
    else callsOf.set(tenant, calls);
  };

  const share: ClusterShare = {
    room: (tenant) => {
      const all = live();
      const starting = all.filter(({ state }) => state.kind === "starting").length;
      // Idle ones run no call of the tenant's: they cost place in the cluster, not in its concurrency.
      const ofTenant = [...pools.values()]
        .filter(({ of }) => of.tenant === tenant)
        .flatMap((pool) => pool.instances())
        .filter(({ state }) => state.kind === "starting" || state.kind === "busy").length;
      return Math.max(
        0,
        Math.min(
          limits.instancesMax - all.length,
          limits.startsMax - starting,
          concurrencyMax(tenant) - ofTenant,
        ),
      );
    },
    mayRun: (tenant) => (callsOf.get(tenant) ?? 0) < concurrencyMax(tenant),
    callStarted: (tenant) => addCalls(tenant, 1),
    callEnded: (tenant) => addCalls(tenant, -1),
    changed: (pool) => {
      if (toReview.size === 0) queueMicrotask(reviewChanged);
      toReview.add(pool);
    },
  };

  /** What one pool gave back another may need, so every pool with waiting calls is looked at too. */
  const reviewChanged = (): void => {
    const changed = [...toReview];
    toReview.clear();
    const waiting = [...pools.values()].filter((pool) => pool.load().queued > 0);
    for (const pool of new Set([...changed, ...waiting])) pool.review();
    makeRoom(waiting.filter((pool) => pool.load().queued > 0));
  };

  /** Where the cluster is full, an idle instance of one version makes place for a waiting call of another. */
  const makeRoom = (waiting: readonly VersionPool[]): void => {
    const all = live();
    const leaving = all.filter(({ state }) => state.kind === "draining").length;
    const starved = waiting.filter((pool) =>
      pool.instances().every(({ state }) => state.kind === "draining"),
    );
    if (all.length < limits.instancesMax || starved.length <= leaving) return;
    const evicted = new Set(chooseEvictions(all, starved.length - leaving));
    for (const pool of pools.values())
      for (const instance of pool.instances()) if (evicted.has(instance)) pool.retire(instance);
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
    loads: () => [...pools.values()].map((pool) => pool.load()),
    keepKnown: (current) => {
      for (const [key, pool] of pools) {
        const known = current(pool.of);
        if (known === undefined || keyOf(known) !== key) pool.retireAll();
      }
    },
    close: () => {
      clearInterval(sweeping);
      for (const pool of pools.values()) pool.retireAll();
    },
  };
}
