import type { Logger } from "pino";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import type { ChangeRecord, RolloutRecord } from "#lib/contracts/catalog-records.ts";
import type { Observation } from "#lib/contracts/zone-report.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import {
  planRollout,
  type RolloutPlan,
  rolloutTransaction,
} from "../../core/functions/plan-rollout.ts";
import { canaryPercent, movingZone, stepName } from "../../core/functions/rollout-steps.ts";
import { type Held, withChange } from "../../core/transactions.ts";
import type { Replica } from "../../ports.ts";
import type { Leadership } from "../leading/leader-lease.ts";
import { readAlias, readRollout } from "../read-records.ts";
import { runLoop } from "../run-loop.ts";

const INTERVAL_MS = 1_000;
/** More wait for the next turn, so that a turn stays far below the catalog's writes per second. */
const WRITES_PER_TURN_MAX = 50;

export interface RolloutsOptions {
  readonly catalog: Catalog;
  readonly replica: Pick<Replica, "get" | "scan" | "onApplied">;
  readonly leadership: Pick<Leadership, "fence">;
  /** Of all zones that are heard now. */
  readonly observations: () => readonly Observation[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly zone: string;
}

/** While this federator leads: moves each rollout on, or back, from what the gateways of the zone that moves have counted. */
export function conductRollouts(options: RolloutsOptions): { readonly close: () => Promise<void> } {
  const { catalog, replica, leadership, clock, log } = options;
  const closing = new AbortController();
  const running = followRunning(replica);
  const stepSince = watchSteps(clock);

  /** True once something was written. */
  const conduct = async (rollout: Held<RolloutRecord>, signal: AbortSignal): Promise<boolean> => {
    const { tenant, functionName, alias } = rollout.value;
    const zone = movingZone(rollout.value);
    const observed = options.observations().find((one) => one.zone === zone);
    const plan = planRollout(
      rollout.value,
      { arms: observed && (observed.arms ?? []), stepForMs: stepSince.ageMs(rollout.value) },
      clock.wallMs(),
    );
    const fence = leadership.fence();
    const heldAlias = readAlias(replica.get(keys.alias(tenant, functionName, alias)));
    const transaction = fence && rolloutTransaction(plan, rollout, heldAlias, fence);
    if (plan.kind === "wait" || transaction === undefined || transaction === null) return false;
    const change = describeChange(plan, options.zone, clock.wallMs());
    const result = await catalog.txn(withChange(transaction, change), signal);
    if (result.kind === "committed")
      log.info({ rollout: plan.record, revision: result.revision }, change.action);
    return true;
  };

  const loop = runLoop(
    { name: "rollouts", intervalMs: INTERVAL_MS, clock, log, signal: closing.signal },
    async (signal) => {
      const held = [...running.keys()].flatMap((key) => readRollout(replica.get(key)) ?? []);
      stepSince.see(held.map(({ value }) => value));
      if (leadership.fence() === null) return;
      let writes = 0;
      for (const rollout of held) {
        if (writes >= WRITES_PER_TURN_MAX) return;
        if (await conduct(rollout, signal)) writes += 1;
      }
    },
  );
  return {
    close: async () => {
      closing.abort(new Error("rollouts are no longer conducted"));
      running.close();
      await loop.ended;
    },
  };
}

/** The keys of the rollouts that run, without a look at those that have ended. */
function followRunning(replica: RolloutsOptions["replica"]) {
  const running = new Set<string>();
  const note = (key: string): void => {
    if (readRollout(replica.get(key))?.value.state === "running") running.add(key);
    else running.delete(key);
  };
  for (const { key } of replica.scan(prefixes.rollouts)) note(key);
  const close = replica.onApplied(({ changes }) => {
    for (const change of changes) {
      const key = change.kind === "put" ? change.record.key : change.key;
      if (key.startsWith(prefixes.rollouts)) note(key);
    }
  });
  return { keys: () => running, close };
}

/** Since when each rollout's step has been in force, as far as this process saw: no other clock is asked. */
function watchSteps(clock: Clock) {
  let seen = new Map<string, number>();
  return {
    see: (rollouts: readonly RolloutRecord[]): void => {
      const nowMs = clock.nowMs();
      seen = new Map(
        rollouts.map((rollout) => [nameOf(rollout), seen.get(nameOf(rollout)) ?? nowMs]),
      );
    },
    ageMs: (rollout: RolloutRecord): number =>
      clock.nowMs() - (seen.get(nameOf(rollout)) ?? clock.nowMs()),
  };
}

const nameOf = (rollout: RolloutRecord): string => `${rollout.id} ${stepName(rollout)}`;

const ACTIONS = {
  "go-on": "rollouts.step",
  "roll-back": "rollouts.roll-back",
  succeed: "rollouts.succeed",
} as const;

function describeChange(
  { kind, record }: Exclude<RolloutPlan, { readonly kind: "wait" }>,
  zone: string,
  atMs: number,
): ChangeRecord {
  const { id, tenant, functionName, alias, fromVersion, toVersion, reason } = record;
  return {
    action: ACTIONS[kind],
    actor: `federator/${zone}`,
    requestId: `${id}.${stepName(record)}`,
    tenant,
    subject: `rollouts/${tenant}/${functionName}/${alias}`,
    detail: {
      rollout: id,
      from: fromVersion,
      to: toVersion,
      zone: movingZone(record),
      percent: canaryPercent(record),
      reason,
    },
    atMs,
  };
}
