import { type Tier, TIERS } from "#lib/plan/placement-class.ts";
import { chooseInstance } from "../../../../agents/core/choose-instance.ts";
import { chooseEvictions } from "../../../../agents/core/choose-evictions.ts";
import {
  decideScale,
  evictableInstances,
  initialScaleState,
} from "../../../../agents/core/decide-scale.ts";
import {
  type InstanceEvent,
  type InstanceState,
  isSpent,
  stepInstance,
} from "../../../../agents/core/instance-lifecycle.ts";
import { instanceRoom } from "../../../../agents/core/instance-room.ts";
import { scalingSpec } from "../../../../agents/core/scaling/scaling-spec.ts";
import type { VirtualTime } from "./virtual-time.ts";

/**
 * What an instance takes from its start to its first call where the machine has nothing else to start, and from its end to the place being
 * free. One processor to eight places is shared by all starts: so many at a time take so many times as long.
 */
const START_MS = 120;
const PLACES_TO_A_PROCESSOR = 8;
const END_MS = 30;
const STARTS_MAX = 8;
const SPEC = scalingSpec(1, undefined, { extraIdleMs: 5_000, lastIdleMs: 60_000 });

interface SharedInstance {
  state: InstanceState;
  usedAtMs: number;
}

interface QueuedCall {
  readonly cameAtMs: number;
  readonly callMs: number;
  readonly ended: (waitedMs: number) => void;
}

/** What all clusters of a simulation run on. */
export interface SharedMachine {
  /** Under way. */
  starts: number;
}

/** One function of each tier in a cluster that has place for so many instances, handled as the agent's pools do it. */
export function sharedCluster(slots: number, time: VirtualTime, machine: SharedMachine) {
  const pools = TIERS.map((tier) => ({
    tier,
    waiting: new Array<QueuedCall>(),
    instances: new Set<SharedInstance>(),
    scaleState: initialScaleState(SPEC, 0),
    lacking: 0,
  }));
  type Pool = (typeof pools)[number];

  const step = (pool: Pool, instance: SharedInstance, event: InstanceEvent): void => {
    instance.usedAtMs = time.nowMs();
    instance.state = stepInstance(instance.state, event, time.nowMs(), 1);
    if (event === "exited") pool.instances.delete(instance);
    else if (isSpent(instance.state))
      time.in(END_MS, () => {
        step(pool, instance, "exited");
        review();
      });
  };
  const assign = (pool: Pool): void => {
    for (;;) {
      const instance = chooseInstance(pool.instances, 1);
      const call = instance && pool.waiting.shift();
      if (instance === undefined || call === undefined) return;
      const waitedMs = time.nowMs() - call.cameAtMs;
      step(pool, instance, "call-started");
      time.in(call.callMs, () => {
        step(pool, instance, "call-ended");
        call.ended(waitedMs);
        review();
      });
    }
  };
  const start = (pool: Pool): void => {
    const instance: SharedInstance = { state: { kind: "starting" }, usedAtMs: time.nowMs() };
    pool.instances.add(instance);
    machine.starts += 1;
    const share = Math.max(1, (machine.starts * PLACES_TO_A_PROCESSOR) / slots);
    time.in(START_MS * share, () => {
      machine.starts -= 1;
      step(pool, instance, "ready");
      review();
    });
  };
  const live = () =>
    pools.flatMap((pool) =>
      Array.from(pool.instances, (instance) => ({
        pool,
        instance,
        tenant: "demo",
        tier: pool.tier,
        state: instance.state,
      })),
    );
  const room = (): number =>
    instanceRoom(live(), "demo", Infinity, { instancesMax: slots, startsMax: STARTS_MAX });
  const scale = (pool: Pool): void => {
    assign(pool);
    const observation = {
      waiting: pool.waiting.length,
      instances: [...pool.instances],
      expectedCalls: 0,
      isPlaced: true,
      room,
      spareRoom: () => 0,
    };
    const decision = decideScale(pool.scaleState, observation, SPEC, time.nowMs());
    pool.scaleState = decision.state;
    pool.lacking = decision.lacking;
    for (const instance of decision.retire) step(pool, instance, "retired");
    for (let count = 0; count < decision.start; count += 1) start(pool);
  };
  const makeRoom = (): void => {
    const all = live();
    if (all.length < slots) return;
    const needs = pools
      .filter(({ waiting }) => waiting.length > 0)
      .map(({ tier, instances, lacking, waiting }) => ({
        tier,
        waitedMs: time.nowMs() - (waiting[0]?.cameAtMs ?? time.nowMs()),
        isStarved: [...instances].every(({ state }) => state.kind === "draining"),
        lacking,
      }));
    const evictable = pools.flatMap((pool) =>
      evictableInstances([...pool.instances], SPEC, true).map((instance) => ({
        pool,
        instance,
        tier: pool.tier,
        state: instance.state,
      })),
    );
    const count = (kind: InstanceState["kind"]) =>
      all.filter(({ state }) => state.kind === kind).length;
    const changing = { leaving: count("draining"), starting: count("starting"), places: slots };
    for (const { pool, instance } of chooseEvictions(evictable, needs, changing, time.nowMs()))
      step(pool, instance, "retired");
  };
  const review = (): void => {
    for (const pool of pools) scale(pool);
    if (pools.some(({ waiting }) => waiting.length > 0)) makeRoom();
  };
  return {
    serve: (tier: Tier, callMs: number, ended: (waitedMs: number) => void): void => {
      pools
        .find((pool) => pool.tier === tier)
        ?.waiting.push({ cameAtMs: time.nowMs(), callMs, ended });
      review();
    },
  };
}
