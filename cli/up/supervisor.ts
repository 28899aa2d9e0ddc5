import type { ProgramMessage } from "#lib/contracts/supervision.ts";
import type { ProcessIdentity } from "#lib/io/process-identity.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { gatewayToWithdraw, TICK_MS } from "./core/judge-gateways.ts";
import type { ProgramPlan } from "./core/plan-programs.ts";
import { type GroupAction, type GroupEvent, superviseGroup } from "./core/supervise-group.ts";
import type { SpawnedProgram } from "./io/spawn-program.ts";
import {
  addTick,
  type Child,
  describeGroup,
  drain,
  type Group,
  identify,
  killGroup,
  lifeOf,
  livingProcesses,
  makeGroups,
  type ProgramStatus,
  stopInOrder,
  title,
  watchedGateways,
} from "./program-group.ts";

/** As long as a program may take to get ready elsewhere. */
const JOIN_LIMIT_MS = 30_000;
const JOIN_POLL_MS = 20;

export interface SupervisorPorts {
  readonly clock: Clock;
  readonly spawn: (
    plan: ProgramPlan,
    onMessage: (message: ProgramMessage) => void,
  ) => SpawnedProgram;
  /** Something people should know of. */
  readonly say: (text: string) => void;
  /** A program died unwanted, for the `deaths`th time in a row; each came soon after its start. */
  readonly onDied: (plan: ProgramPlan, deaths: number) => void;
  /** A zone lost all its programs at once and stays down. */
  readonly onFell: (group: string) => void;
  /** The set of processes is another one now. */
  readonly onProcessesChanged: () => void;
  /** A successor is about to start: what it needs of the one before it. */
  readonly bequeath: (from: ProgramPlan, to: ProgramPlan) => void;
  /** Nothing runs in the place any more, and nothing will until it is needed. */
  readonly onVacated: (plan: ProgramPlan) => void;
}

export interface Supervisor {
  readonly start: (group: string) => void;
  /** Drains the group's programs in order, or kills all it runs, instances included; resolves once nothing is left. */
  readonly stop: (group: string, how: "drain" | "kill") => Promise<void>;
  /** Starts a successor beside the program, waits until it serves, then drains the program; one at a time in a group. */
  readonly replace: (group: string, name: string) => Promise<Replacement>;
  readonly stopAll: () => Promise<void>;
  /** SIGKILL to everything, now. */
  readonly killAll: () => void;
  readonly status: (group: string) => readonly ProgramStatus[];
  /** Every living process of the group: its programs and what they reported to have started. */
  readonly processes: (group: string) => readonly ProcessIdentity[];
}

export type Replacement =
  | { readonly kind: "replaced"; readonly by: number }
  /** The program goes on, where it runs. */
  | { readonly kind: "not-replaced"; readonly why: "no-place" | "stopped" | "not-ready" };

/** Owns every child process; what to do about them is decided in `core/supervise-group.ts`. */
export function createSupervisor(
  plans: readonly ProgramPlan[],
  ports: SupervisorPorts,
): Supervisor {
  const { clock, say, onProcessesChanged } = ports;
  const groups = makeGroups(plans);
  let lastTickAtMs = clock.nowMs();
  const groupNamed = (name: string): Group => {
    const group = groups.get(name);
    if (group === undefined) throw new Error(`there is no group ${name}`);
    return group;
  };

  /** `how` tells of the death that led to it. */
  const dispatch = (group: Group, event: GroupEvent, how = ""): void => {
    const { state, actions } = superviseGroup(group.state, event, clock.nowMs());
    group.state = state;
    for (const action of actions) act(group, action, how);
  };

  const act = (group: Group, action: GroupAction, how: string): void => {
    switch (action.kind) {
      case "spawn":
        return spawnInto(group, action.program);
      case "restart-later":
        return say(
          `${title(group, action.program)} ${how}: starting it again in ${action.delayMs / 1_000} s`,
        );
      case "fell":
        killGroup(group);
        return ports.onFell(group.name);
    }
  };

  const spawnInto = (group: Group, name: string): void => {
    const plan = group.plans.get(name);
    if (plan === undefined) return;
    const spawned = ports.spawn(plan, (message) => hear(group, child, message));
    const child: Child = { plan, spawned, isReady: false, silentMs: 0, workedMs: undefined };
    group.children.set(name, child);
    onProcessesChanged();
    void spawned.ended.then((how) => {
      group.children.delete(name);
      const isMissed = group.state.wanted === "running" && lifeOf(group, name) === "alive";
      dispatch(group, { kind: "died", program: name }, how);
      if (isMissed) ports.onDied(plan, group.state.programs[name]?.deaths ?? 1);
      if (lifeOf(group, name) === "spare") ports.onVacated(plan);
      onProcessesChanged();
    });
  };

  const hear = (group: Group, child: Child, message: ProgramMessage): void => {
    child.silentMs = 0;
    if (message.kind === "ready") child.isReady = true;
    if (message.kind === "draining") return succeed(group, child);
    if (message.kind !== "pids") return;
    group.reported.set(child.plan.program, identify(message.pids));
    onProcessesChanged();
  };

  /** Somebody else told a gateway to end: what it still runs may take long, and its port is not to be without anybody so long. */
  const succeed = (group: Group, { plan }: Child): void => {
    const isAsked = group.state.wanted !== "running" || lifeOf(group, plan.name) !== "alive";
    if (plan.program === "gateway" && !isAsked) void replace(group, plan.name);
  };

  const withdrawGateway = (group: Group, name: string): void => {
    const gateway = group.children.get(name);
    if (gateway === undefined) return;
    say(`${title(group, name)} gives no sign of life: withdrawn`);
    gateway.isReady = false;
    gateway.silentMs = 0;
    gateway.spawned.signal("SIGKILL");
  };

  const tick = (): void => {
    const nowMs = clock.nowMs();
    for (const group of groups.values()) {
      dispatch(group, { kind: "tick" });
      for (const child of group.children.values()) addTick(child, nowMs - lastTickAtMs);
    }
    lastTickAtMs = nowMs;
    const silent = gatewayToWithdraw([...groups.values()].flatMap(watchedGateways));
    if (silent !== undefined) withdrawGateway(groupNamed(silent.group), silent.name);
  };
  const ticking = setInterval(tick, TICK_MS);

  /** True once it serves; false if it ended, or is not ready in time. */
  const becomesReady = async (group: Group, child: Child): Promise<boolean> => {
    const deadlineMs = clock.nowMs() + JOIN_LIMIT_MS;
    while (group.children.get(child.plan.name) === child && clock.nowMs() < deadlineMs) {
      if (child.isReady) return true;
      await clock.sleep(JOIN_POLL_MS);
    }
    return false;
  };

  const replace = async (group: Group, name: string): Promise<Replacement> => {
    const from = group.plans.get(name);
    const to = [...group.plans.values()].find(
      (plan) => plan.program === from?.program && lifeOf(group, plan.name) === "spare",
    );
    if (from === undefined || to === undefined) return { kind: "not-replaced", why: "no-place" };
    ports.bequeath(from, to);
    dispatch(group, { kind: "join", program: to.name });
    const successor = group.children.get(to.name);
    if (successor === undefined) return { kind: "not-replaced", why: "stopped" };
    const isReady = await becomesReady(group, successor);
    if (group.state.wanted !== "running") return { kind: "not-replaced", why: "stopped" };
    if (!isReady) {
      await drain(successor, clock);
      return { kind: "not-replaced", why: "not-ready" };
    }
    dispatch(group, { kind: "hand-over", from: name, to: to.name });
    const old = group.children.get(name);
    if (old === undefined) ports.onVacated(from);
    else await drain(old, clock);
    return { kind: "replaced", by: successor.spawned.identity.pid };
  };

  return {
    start: (name) => dispatch(groupNamed(name), { kind: "start" }),
    stop: async (name, how) => {
      const group = groupNamed(name);
      dispatch(group, { kind: "stop" });
      if (how === "kill") killGroup(group);
      await stopInOrder([group], clock);
      onProcessesChanged();
    },
    replace: (group, name) => replace(groupNamed(group), name),
    stopAll: async () => {
      for (const group of groups.values()) dispatch(group, { kind: "stop" });
      await stopInOrder([...groups.values()], clock);
      clearInterval(ticking);
    },
    killAll: () => {
      for (const group of groups.values()) {
        dispatch(group, { kind: "stop" });
        killGroup(group);
      }
    },
    status: (name) => describeGroup(groupNamed(name)),
    processes: (name) => livingProcesses(groupNamed(name)),
  };
}
