/** Programs that die within this time of each other fell together: the zone was lost, not a program. */
export const FALL_WINDOW_MS = 1_000;
export const BACKOFF_FIRST_MS = 100;
export const BACKOFF_MAX_MS = 5_000;
/** A program that lived this long starts afresh with the shortest wait. */
export const STABLE_AFTER_MS = 10_000;

/** Programs that live and fall together: a zone's three, or the catalog alone. */
export interface GroupState {
  readonly wanted: "running" | "stopped";
  /** Whether losing all programs at once means that the group stays down until it is started again. */
  readonly staysDown: boolean;
  readonly programs: Readonly<Record<string, ProgramState>>;
}

export interface ProgramState {
  readonly life:
    | { readonly kind: "alive"; readonly sinceMs: number }
    | { readonly kind: "waiting"; readonly untilMs: number }
    | { readonly kind: "gone" }
    /** A place for the successor of another; nobody is missed there. */
    | { readonly kind: "spare" }
    /** A successor that is not ready yet. */
    | { readonly kind: "joining" }
    /** It has a successor, and ends when what it runs has ended. */
    | { readonly kind: "leaving" };
  /** Deaths in a row, each sooner than `STABLE_AFTER_MS` after its start. */
  readonly deaths: number;
  readonly diedAtMs: number;
}

export type GroupEvent =
  | { readonly kind: "start" }
  | { readonly kind: "stop" }
  | { readonly kind: "died"; readonly program: string }
  /** A successor shall start in a place that is spare. */
  | { readonly kind: "join"; readonly program: string }
  /** It is ready, and the one before it leaves. */
  | { readonly kind: "hand-over"; readonly from: string; readonly to: string }
  | { readonly kind: "tick" };

export type GroupAction =
  | { readonly kind: "spawn"; readonly program: string }
  | { readonly kind: "restart-later"; readonly program: string; readonly delayMs: number }
  /** The group fell as a whole; whatever still runs of it, or was started again in between, must go too. */
  | { readonly kind: "fell" };

export interface GroupStep {
  readonly state: GroupState;
  readonly actions: readonly GroupAction[];
}

export function stoppedGroup(
  programs: readonly string[],
  staysDown: boolean,
  spares: readonly string[] = [],
): GroupState {
  const never = { deaths: 0, diedAtMs: Number.NEGATIVE_INFINITY };
  const place = (kind: "gone" | "spare") => (program: string) =>
    [program, { ...never, life: { kind } }] as const;
  return {
    wanted: "stopped",
    staysDown,
    programs: Object.fromEntries([...programs.map(place("gone")), ...spares.map(place("spare"))]),
  };
}

/** One program that dies alone is started again, later and later; a group that falls as a whole stays down. */
export function superviseGroup(state: GroupState, event: GroupEvent, nowMs: number): GroupStep {
  switch (event.kind) {
    case "start":
      return spawnWhere({ ...state, wanted: "running" }, nowMs, isMissing);
    case "stop":
      return { state: stopWaiting({ ...state, wanted: "stopped" }), actions: [] };
    case "died":
      return afterDeath(state, event.program, nowMs);
    case "join":
      if (state.wanted === "stopped" || state.programs[event.program]?.life.kind !== "spare")
        return { state, actions: [] };
      return {
        state: withLife(state, event.program, { kind: "joining" }),
        actions: [{ kind: "spawn", program: event.program }],
      };
    case "hand-over":
      return { state: handOver(state, event.from, event.to, nowMs), actions: [] };
    case "tick":
      if (state.wanted === "stopped") return { state, actions: [] };
      return spawnWhere(state, nowMs, (life) => life.kind === "waiting" && nowMs >= life.untilMs);
  }
}

/** Runs, if at all, beside those that the group consists of. */
const isBeside = ({ kind }: ProgramState["life"]): boolean =>
  kind === "spare" || kind === "joining" || kind === "leaving";

const isMissing = ({ kind }: ProgramState["life"]): boolean =>
  kind === "waiting" || kind === "gone";

function withLife(state: GroupState, program: string, life: ProgramState["life"]): GroupState {
  const was = state.programs[program];
  return was === undefined
    ? state
    : { ...state, programs: { ...state.programs, [program]: { ...was, life } } };
}

/** One that was not running, or died meanwhile, leaves nothing but its place. */
function handOver(state: GroupState, from: string, to: string, nowMs: number): GroupState {
  if (state.programs[to]?.life.kind !== "joining") return state;
  const isRunning = state.programs[from]?.life.kind === "alive";
  const left = withLife(state, from, { kind: isRunning ? "leaving" : "spare" });
  return withLife(left, to, { kind: "alive", sinceMs: nowMs });
}

function spawnWhere(
  state: GroupState,
  nowMs: number,
  isDue: (life: ProgramState["life"]) => boolean,
): GroupStep {
  const due = Object.entries(state.programs).filter(([, { life }]) => isDue(life));
  if (due.length === 0) return { state, actions: [] };
  const started = due.map(([program, was]): [string, ProgramState] => [
    program,
    { ...was, life: { kind: "alive", sinceMs: nowMs } },
  ]);
  return {
    state: { ...state, programs: { ...state.programs, ...Object.fromEntries(started) } },
    actions: due.map(([program]) => ({ kind: "spawn", program })),
  };
}

function afterDeath(state: GroupState, program: string, nowMs: number): GroupStep {
  const was = state.programs[program];
  if (was?.life.kind === "joining" || was?.life.kind === "leaving")
    return { state: withLife(state, program, { kind: "spare" }), actions: [] };
  if (was?.life.kind !== "alive") return { state, actions: [] };
  const wasStable = nowMs - was.life.sinceMs >= STABLE_AFTER_MS;
  const deaths = wasStable ? 1 : was.deaths + 1;
  const put = (life: ProgramState["life"]): GroupState => ({
    ...state,
    programs: { ...state.programs, [program]: { life, deaths, diedAtMs: nowMs } },
  });

  const gone = put({ kind: "gone" });
  if (state.wanted === "stopped") return { state: gone, actions: [] };
  if (state.staysDown && allDiedSince(gone, nowMs - FALL_WINDOW_MS))
    return { state: stopWaiting({ ...gone, wanted: "stopped" }), actions: [{ kind: "fell" }] };
  const delayMs = Math.min(BACKOFF_FIRST_MS * 2 ** (deaths - 1), BACKOFF_MAX_MS);
  return {
    state: put({ kind: "waiting", untilMs: nowMs + delayMs }),
    actions: [{ kind: "restart-later", program, delayMs }],
  };
}

const allDiedSince = (state: GroupState, sinceMs: number): boolean =>
  Object.values(state.programs).every(
    ({ life, diedAtMs }) => isBeside(life) || diedAtMs >= sinceMs,
  );

function stopWaiting(state: GroupState): GroupState {
  const programs = Object.entries(state.programs).map(([program, was]): [string, ProgramState] => [
    program,
    was.life.kind === "waiting" ? { ...was, life: { kind: "gone" } } : was,
  ]);
  return { ...state, programs: Object.fromEntries(programs) };
}
