import {
  identifyProcess,
  isStillRunning,
  type ProcessIdentity,
  processorMs,
  signalProcess,
} from "#lib/io/process-identity.ts";
import type { Clock } from "#lib/ports/clock.ts";
import {
  addSilence,
  LIVELY_MS,
  SILENCE_LIMIT_MS,
  type WatchedGateway,
} from "./core/judge-gateways.ts";
import { groupOf, type ProgramName, type ProgramPlan } from "./core/plan-programs.ts";
import { type GroupState, stoppedGroup } from "./core/supervise-group.ts";
import type { SpawnedProgram } from "./io/spawn-program.ts";

/** A program drains for 35 s at most; then its time is up. */
const DRAIN_LIMIT_MS = 36_000;
const KILL_LIMIT_MS = 5_000;
/** In the half second in which a silence is judged: on a machine that is very busy, a program gets little. */
const WORK_MS_MIN = 20;
const KILL_POLL_MS = 10;
/** The order in which programs stop: those who take calls first, those they rest on last. */
const STOP_ORDER: readonly ProgramName[] = ["gateway", "agent", "federator", "catalog"];

export interface Child {
  readonly plan: ProgramPlan;
  readonly spawned: SpawnedProgram;
  isReady: boolean;
  silentMs: number;
  /** The processor time it had used when its silence became one; undefined where the system does not tell. */
  workedMs: number | undefined;
}

/** The processes of a zone, or the catalog's; all by the names of their plans. */
export interface Group {
  readonly name: string;
  readonly plans: ReadonlyMap<string, ProgramPlan>;
  readonly children: Map<string, Child>;
  state: GroupState;
  /** What each program last told to have started, such as an agent's instances; they may outlive it for a moment. */
  readonly reported: Map<string, readonly ProcessIdentity[]>;
}

export interface ProgramStatus {
  readonly program: ProgramName;
  /** The program's, with a number where a zone has several. */
  readonly name: string;
  readonly pid: number | null;
  readonly state: "starting" | "ready" | "draining" | "waiting" | "stopped";
}

export function makeGroups(plans: readonly ProgramPlan[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const [name, members] of Map.groupBy(plans, groupOf)) {
    const namesOf = (isSpare: boolean): string[] =>
      members.filter((plan) => plan.isSpare === isSpare).map((plan) => plan.name);
    groups.set(name, {
      name,
      plans: new Map(members.map((plan) => [plan.name, plan])),
      children: new Map(),
      state: stoppedGroup(namesOf(false), members.length > 1, namesOf(true)),
      reported: new Map(),
    });
  }
  return groups;
}

export const title = (group: Group, name: string): string =>
  group.plans.size === 1 ? group.name : `${group.name} ${name}`;

export const lifeOf = (group: Group, name: string): string | undefined =>
  group.state.programs[name]?.life.kind;

/** Those that are to serve. One that was told to stop has its own limit, and is silent while it exits. */
export function watchedGateways(group: Group): readonly WatchedGateway[] {
  if (group.state.wanted !== "running") return [];
  return [...group.plans.values()].flatMap(({ program, name }): WatchedGateway[] => {
    const life = lifeOf(group, name);
    if (program !== "gateway" || life === "spare" || life === "joining" || life === "leaving")
      return [];
    const its = { group: group.name, name };
    const child = group.children.get(name);
    if (child === undefined) return [{ ...its, state: "absent", silentMs: 0, isWorking: false }];
    const { isReady, silentMs } = child;
    const state = isReady ? "ready" : "starting";
    return [{ ...its, state, silentMs, isWorking: isWorking(child) }];
  });
}

/** Silence for one more tick. */
export function addTick(child: Child, sinceLastTickMs: number): void {
  const before = child.silentMs;
  child.silentMs = addSilence(before, sinceLastTickMs);
  if (before < LIVELY_MS && child.silentMs >= LIVELY_MS)
    child.workedMs = processorMs(child.spawned.identity.pid);
}

function isWorking({ silentMs, workedMs, spawned }: Child): boolean {
  if (silentMs < SILENCE_LIMIT_MS || workedMs === undefined) return false;
  return (processorMs(spawned.identity.pid) ?? 0) - workedMs >= WORK_MS_MIN;
}

/** What a program told to have started. */
export const identify = (pids: readonly number[]): readonly ProcessIdentity[] =>
  pids.flatMap((pid) => identifyProcess(pid) ?? []);

export const livingProcesses = (group: Group): ProcessIdentity[] =>
  [
    ...[...group.children.values()].map(({ spawned }) => spawned.identity),
    ...[...group.reported.values()].flat(),
  ].filter(isStillRunning);

export function killGroup(group: Group): void {
  for (const identity of livingProcesses(group)) signalProcess(identity, "SIGKILL");
}

/** One kind of program after the other over all groups; what an agent leaves behind goes with it. */
export async function stopInOrder(groups: readonly Group[], clock: Clock): Promise<void> {
  for (const program of STOP_ORDER) {
    const children = groups.flatMap((group) =>
      [...group.children.values()].filter(({ plan }) => plan.program === program),
    );
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

/** SIGTERM, and SIGKILL to one that does not end in its time. */
export async function drain({ spawned }: Child, clock: Clock): Promise<void> {
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

/** Every place of the group in which a program runs or should. */
export const describeGroup = (group: Group): readonly ProgramStatus[] =>
  [...group.plans.values()].flatMap((plan) => describe(group, plan) ?? []);

function describe(group: Group, { program, name }: ProgramPlan): ProgramStatus | undefined {
  const child = group.children.get(name);
  const life = lifeOf(group, name);
  if (child !== undefined) {
    const isLeaving = life === "leaving";
    const state = isLeaving ? "draining" : child.isReady ? "ready" : "starting";
    return { program, name, pid: child.spawned.identity.pid, state };
  }
  if (life === "spare") return undefined;
  return { program, name, pid: null, state: life === "waiting" ? "waiting" : "stopped" };
}
