import type { ProgramMessage } from "#lib/contracts/supervision.ts";
import type { Clock } from "#lib/ports/clock.ts";
import {
  addSilence,
  gatewayToWithdraw,
  TICK_MS,
  type WatchedGateway,
} from "./core/judge-gateways.ts";
import { groupOf, type ProgramName, type ProgramPlan } from "./core/plan-programs.ts";
import {
  type GroupAction,
  type GroupEvent,
  type GroupState,
  stoppedGroup,
  superviseGroup,
} from "./core/supervise-group.ts";
import {
  identifyProcess,
  isStillRunning,
  type ProcessIdentity,
  signalProcess,
} from "#lib/io/process-identity.ts";
import type { SpawnedProgram } from "./io/spawn-program.ts";

/** A program drains for 35 s at most; then its time is up. */
const DRAIN_LIMIT_MS = 36_000;
const KILL_LIMIT_MS = 5_000;
const KILL_POLL_MS = 10;
/** The order in which programs stop: those who take calls first, those they rest on last. */
const STOP_ORDER: readonly ProgramName[] = ["gateway", "agent", "federator", "catalog"];

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
}

export interface ProgramStatus {
  readonly program: ProgramName;
  readonly pid: number | null;
  readonly state: "starting" | "ready" | "waiting" | "stopped";
}

export interface Supervisor {
  readonly start: (group: string) => void;
  /** Drains the group's programs in order, or kills all it runs, instances included; resolves once nothing is left. */
  readonly stop: (group: string, how: "drain" | "kill") => Promise<void>;
  readonly stopAll: () => Promise<void>;
  /** SIGKILL to everything, now. */
  readonly killAll: () => void;
  readonly status: (group: string) => readonly ProgramStatus[];
  /** Every living process of the group: its programs and what they reported to have started. */
  readonly processes: (group: string) => readonly ProcessIdentity[];
}

interface Child {
  readonly plan: ProgramPlan;
  readonly spawned: SpawnedProgram;
  isReady: boolean;
  silentMs: number;
}

interface Group {
  readonly name: string;
  readonly plans: ReadonlyMap<string, ProgramPlan>;
  readonly children: Map<string, Child>;
  state: GroupState;
  /** What each program last told to have started, such as an agent's instances; they may outlive it for a moment. */
  readonly reported: Map<string, readonly ProcessIdentity[]>;
}

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

  const spawnInto = (group: Group, program: string): void => {
    const plan = group.plans.get(program);
    if (plan === undefined) return;
    const spawned = ports.spawn(plan, (message) => hear(group, child, message));
    const child: Child = { plan, spawned, isReady: false, silentMs: 0 };
    group.children.set(program, child);
    onProcessesChanged();
    void spawned.ended.then((how) => {
      group.children.delete(program);
      const isWanted = group.state.wanted === "running";
      dispatch(group, { kind: "died", program }, how);
      if (isWanted) ports.onDied(plan, group.state.programs[program]?.deaths ?? 1);
      onProcessesChanged();
    });
  };

  const hear = (group: Group, child: Child, message: ProgramMessage): void => {
    child.silentMs = 0;
    if (message.kind === "ready") child.isReady = true;
    if (message.kind !== "pids") return;
    group.reported.set(
      child.plan.program,
      message.pids.flatMap((pid) => identifyProcess(pid) ?? []),
    );
    onProcessesChanged();
  };

  const withdrawGateway = (group: Group): void => {
    const gateway = group.children.get("gateway");
    if (gateway === undefined) return;
    say(`${title(group, "gateway")} gives no sign of life: withdrawn`);
    gateway.isReady = false;
    gateway.silentMs = 0;
    gateway.spawned.signal("SIGKILL");
  };

  const tick = (): void => {
    const nowMs = clock.nowMs();
    for (const group of groups.values()) {
      dispatch(group, { kind: "tick" });
      const gateway = group.children.get("gateway");
      if (gateway !== undefined)
        gateway.silentMs = addSilence(gateway.silentMs, nowMs - lastTickAtMs);
    }
    lastTickAtMs = nowMs;
    const zone = gatewayToWithdraw([...groups.values()].flatMap(watchedGateway));
    if (zone !== undefined) withdrawGateway(groupNamed(zone));
  };
  const ticking = setInterval(tick, TICK_MS);

  return {
    start: (name) => dispatch(groupNamed(name), { kind: "start" }),
    stop: async (name, how) => {
      const group = groupNamed(name);
      dispatch(group, { kind: "stop" });
      if (how === "kill") killGroup(group);
      await stopInOrder([group], clock);
      onProcessesChanged();
    },
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
    status: (name) =>
      [...groupNamed(name).plans.values()].map((plan) => describe(groupNamed(name), plan)),
    processes: (name) => livingProcesses(groupNamed(name)),
  };
}

function makeGroups(plans: readonly ProgramPlan[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const [name, members] of Map.groupBy(plans, groupOf)) {
    groups.set(name, {
      name,
      plans: new Map(members.map((plan) => [plan.program, plan])),
      children: new Map(),
      state: stoppedGroup(
        members.map(({ program }) => program),
        members.length > 1,
      ),
      reported: new Map(),
    });
  }
  return groups;
}

/** One that was told to stop has its own limit, and is silent while it exits. */
function watchedGateway({ name, plans, children, state }: Group): readonly WatchedGateway[] {
  if (!plans.has("gateway") || state.wanted !== "running") return [];
  const child = children.get("gateway");
  if (child === undefined) return [{ zone: name, state: "absent", silentMs: 0 }];
  return [{ zone: name, state: child.isReady ? "ready" : "starting", silentMs: child.silentMs }];
}

const title = (group: Group, program: string): string =>
  group.plans.size === 1 ? group.name : `${group.name} ${program}`;

const livingProcesses = (group: Group): ProcessIdentity[] =>
  [
    ...[...group.children.values()].map(({ spawned }) => spawned.identity),
    ...[...group.reported.values()].flat(),
  ].filter(isStillRunning);

function killGroup(group: Group): void {
  for (const identity of livingProcesses(group)) signalProcess(identity, "SIGKILL");
}

/** One kind of program after the other over all groups; what an agent leaves behind goes with it. */
async function stopInOrder(groups: readonly Group[], clock: Clock): Promise<void> {
  for (const program of STOP_ORDER) {
    const children = groups.flatMap((group) => group.children.get(program) ?? []);
    await Promise.all(children.map((child) => drain(child, clock)));
    await killLeftBehind(
      groups.flatMap(({ reported }) => reported.get(program) ?? []),
      clock,
    );
  }
}

/** A killed process is there until the kernel has taken it apart. */
async function killLeftBehind(reported: readonly ProcessIdentity[], clock: Clock): Promise<void> {
  for (const identity of reported) signalProcess(identity, "SIGKILL");
  const deadlineMs = clock.nowMs() + KILL_LIMIT_MS;
  while (reported.some(isStillRunning) && clock.nowMs() < deadlineMs)
    await clock.sleep(KILL_POLL_MS);
}

async function drain({ spawned }: Child, clock: Clock): Promise<void> {
  spawned.signal("SIGTERM");
  // One that was frozen would not hear it.
  spawned.signal("SIGCONT");
  const waiting = new AbortController();
  const late = clock.sleep(DRAIN_LIMIT_MS, waiting.signal).then(
    () => spawned.signal("SIGKILL"),
    () => {
      // It ended in time.
    },
  );
  await spawned.ended;
  waiting.abort();
  await late;
}

function describe(group: Group, { program }: ProgramPlan): ProgramStatus {
  const child = group.children.get(program);
  if (child !== undefined)
    return {
      program,
      pid: child.spawned.identity.pid,
      state: child.isReady ? "ready" : "starting",
    };
  const isWaiting = group.state.programs[program]?.life.kind === "waiting";
  return { program, pid: null, state: isWaiting ? "waiting" : "stopped" };
}
