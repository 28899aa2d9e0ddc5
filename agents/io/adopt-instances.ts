import type { Logger } from "pino";
import type { LatestValue } from "#lib/latest-value.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import type { Instance, InstanceSpec, LeftCall, LeftInstance } from "../drivers/driver.ts";
import type { InstancePools } from "./instance-pools.ts";
import type { PlacedVersions } from "./placed-versions.ts";
import { adoptedPoolInstance } from "./pool-instance.ts";
import type { PoolPorts } from "./pool-ports.ts";
import type { PoolVersion } from "./pool-version.ts";
import { versionIdentity } from "./version-key.ts";

/** No function may run longer. */
const CALL_LIMIT_MS = 900_000;

export interface AdoptionPorts extends Pick<PoolPorts, "driver" | "code" | "clock" | "onLog"> {
  readonly table: LatestValue<RouteTable | undefined>;
  readonly versions: Pick<PlacedVersions, "named">;
  readonly pools: Pick<InstancePools, "adopt">;
  readonly log: Logger;
}

/**
 * Gives what an agent before this one left running to the pools of its versions; what the table does not have any more may finish its
 * calls, and ends. Resolves when all of it has come or is gone; there must be a table, or nothing is left waiting for one.
 */
export async function adoptInstances(ports: AdoptionPorts, signal: AbortSignal): Promise<void> {
  const left = (await ports.driver.leftBehind?.()) ?? [];
  if (left.length === 0) return;
  await firstTable(ports.table, signal);
  const adopted = await Promise.all(left.map((instance) => adopt(ports, instance, signal)));
  const count = adopted.filter((isAdopted) => isAdopted).length;
  ports.log.info({ adopted: count, ended: left.length - count }, "took over instances");
}

async function adopt(
  ports: AdoptionPorts,
  { spec, adopt: take }: LeftInstance,
  signal: AbortSignal,
): Promise<boolean> {
  const { code, pools, clock } = ports;
  const of = knownVersion(ports, spec);
  const instance = take((line) => of !== undefined && ports.onLog(of, instance.id, line));
  const start = await instance.started;
  const leftCalls = start.kind === "ready" ? (start.leftCalls ?? []) : [];
  if (of === undefined || start.kind !== "ready" || signal.aborted) {
    void endAfter(instance, leftCalls, clock);
    return false;
  }
  const { codeDigest, codeBytes } = of.version;
  const held = await code.hold(codeDigest, codeBytes).catch(() => undefined);
  // It runs from a folder that was found changed since, and is not held for it.
  if (held?.directory !== spec.codeDirectory) {
    held?.release();
    void endAfter(instance, leftCalls, clock);
    return false;
  }
  pools.adopt(of, adoptedPoolInstance(instance, held, clock.nowMs()), leftCalls);
  return true;
}

/** The version that the table has now, if it is the very same. */
function knownVersion({ versions }: AdoptionPorts, spec: InstanceSpec): PoolVersion | undefined {
  const known = versions.named(spec);
  return known !== undefined && versionIdentity(known) === spec.identity ? known : undefined;
}

async function endAfter(
  instance: Instance,
  leftCalls: readonly LeftCall[],
  clock: Clock,
): Promise<void> {
  const done = new AbortController();
  const limitMs = Math.max(0, ...leftCalls.map(({ leftMs }) => leftMs));
  const timeUp = clock.sleep(Math.min(limitMs, CALL_LIMIT_MS), done.signal);
  await Promise.race([timeUp, Promise.all(leftCalls.map(({ call }) => call.outcome))]);
  timeUp.catch(() => undefined);
  done.abort();
  instance.kill();
}

function firstTable(
  table: LatestValue<RouteTable | undefined>,
  signal: AbortSignal,
): Promise<void> {
  if (table.get() !== undefined) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = table.subscribe(() => resolve());
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(stop);
}
