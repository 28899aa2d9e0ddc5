/*
 * Where the time of a call went. While it runs it leaves a few marks; only a call that turns out slow is looked into with this.
 */

/** One attempt at one cluster, as it is noted while it runs. */
export interface AttemptNote {
  readonly clusterId: string;
  readonly beganAtMs: number;
  /** Undefined while it runs. */
  endedAtMs: number | undefined;
  /** Undefined for one that was answered; else what is proved of it, or how it was cut short. */
  failure: string | undefined;
  reason: string | undefined;
  /** What the agent said of the time it took: `queue;dur=1.0, run;dur=31.2`. */
  timing: string | undefined;
  coldStartPhases: string | undefined;
  /** Its answer is that of an earlier call with its key, which may have been running still. */
  isReplayed?: boolean;
}

/** On the monotonic clock; undefined where the call did not come so far. */
export interface StageMarks {
  admitAtMs: number | undefined;
  planAtMs: number | undefined;
  forwardAtMs: number | undefined;
}

export interface CallTimes {
  readonly receivedAtMs: number;
  readonly marks: StageMarks;
  readonly attemptNotes: readonly AttemptNote[];
  /** The head of its answer was there. */
  readonly answeredAtMs: number;
  readonly finishedAtMs: number;
}

/** In the order in which a call meets them. */
const STAGES = [
  /** Its key, its function, what its placement permits. */
  "authenticate",
  /** Limits, and reading its body. */
  "admit",
  /** Where it comes from, and what the plan says. */
  "plan",
  /** Waiting for a cluster to try, or for leave to try again. */
  "choose",
  /** Attempts that failed. */
  "attempts",
  /** Waiting at the cluster for an instance that was busy. */
  "queue",
  /** An instance was started for it. */
  "cold-start",
  /** The function itself. */
  "function",
  /** Waiting for the call with the same key that was running already. */
  "same-key",
  /** Between gateway and cluster: all of the last attempt that its cluster does not account for. */
  "link",
  /** Sending the answer. */
  "answer",
] as const;
export type StageName = (typeof STAGES)[number];
export type StageTimes = Readonly<Record<StageName, number>>;

export function stageTimes({
  receivedAtMs,
  marks,
  attemptNotes,
  answeredAtMs,
  finishedAtMs,
}: CallTimes): StageTimes {
  const admitAtMs = marks.admitAtMs ?? answeredAtMs;
  const planAtMs = marks.planAtMs ?? answeredAtMs;
  const forwardAtMs = marks.forwardAtMs ?? answeredAtMs;
  const last = attemptNotes.findLast(({ failure }) => failure === undefined) ?? attemptNotes.at(-1);
  const others = attemptNotes.filter((one) => one !== last);
  const lastMs = last === undefined ? 0 : (last.endedAtMs ?? answeredAtMs) - last.beganAtMs;
  const attempts = coveredMs(others, last?.beganAtMs ?? answeredAtMs);
  const inCluster = clusterTimes(last, lastMs);
  const accountedMs = inCluster.queue + inCluster["cold-start"] + inCluster.function;
  const unaccountedMs = lastMs - accountedMs;
  const isReplayed = last?.isReplayed === true;
  return {
    authenticate: admitAtMs - receivedAtMs,
    admit: planAtMs - admitAtMs,
    plan: forwardAtMs - planAtMs,
    choose: Math.max(0, answeredAtMs - forwardAtMs - lastMs - attempts),
    attempts,
    ...inCluster,
    "same-key": isReplayed ? unaccountedMs : 0,
    link: isReplayed ? 0 : unaccountedMs,
    answer: finishedAtMs - answeredAtMs,
  };
}

/** What the attempt that was answered waited in its cluster, for an instance to be free or to start; as the agent writes it. */
export function waitedMs(attemptNotes: readonly AttemptNote[]): number {
  const timing = attemptNotes.at(-1)?.timing;
  if (timing?.startsWith(WAITED) !== true) return 0;
  const ms = Number.parseFloat(timing.slice(WAITED.length));
  return ms > 0 ? ms : 0;
}

const WAITED = "queue;dur=";

/** What the platform added to the function's own time, or that of the call it was joined to, sending the answer left aside. */
export function overheadMs(times: CallTimes): number {
  const { function: ownMs, "same-key": joinedMs } = stageTimes(times);
  return times.answeredAtMs - times.receivedAtMs - ownMs - joinedMs;
}

/** The one that took longest; the function's own time is its owner's business. */
export function slowestStage(times: StageTimes): StageName {
  const platform = STAGES.filter((stage) => stage !== "function" && stage !== "same-key");
  return platform.reduce((slowest, stage) => (times[stage] > times[slowest] ? stage : slowest));
}

/** Of the attempts before the last one; those of a hedge run side by side, and count once. */
function coveredMs(attemptNotes: readonly AttemptNote[], untilMs: number): number {
  let coveredUntilMs = Number.NEGATIVE_INFINITY;
  let sumMs = 0;
  for (const { beganAtMs, endedAtMs } of attemptNotes) {
    const fromMs = Math.max(beganAtMs, coveredUntilMs);
    const toMs = Math.min(endedAtMs ?? untilMs, untilMs);
    if (toMs <= fromMs) continue;
    sumMs += toMs - fromMs;
    coveredUntilMs = toMs;
  }
  return sumMs;
}

/** No more than the attempt took altogether: an answer may be one that was kept from an earlier call. */
function clusterTimes(
  last: AttemptNote | undefined,
  lastMs: number,
): Pick<StageTimes, "queue" | "cold-start" | "function"> {
  const timing = readDurations(last?.timing);
  const phases = readDurations(last?.coldStartPhases);
  const ownMs = Math.min(timing.get("run") ?? 0, lastMs);
  const startMs = ["code", "sandbox", "init"].reduce((sum, it) => sum + (phases.get(it) ?? 0), 0);
  const waitedMs = Math.min(timing.get("queue") ?? phases.get("queue") ?? 0, lastMs - ownMs);
  const coldStartMs = Math.min(startMs, waitedMs);
  return { queue: waitedMs - coldStartMs, "cold-start": coldStartMs, function: ownMs };
}

const DURATION = /^\s*([a-z-]{1,32});dur=(\d{1,9}(?:\.\d{1,6})?)\s*$/;

/** As Server-Timing writes durations; what is no duration is left out. */
function readDurations(text: string | undefined): ReadonlyMap<string, number> {
  const read = new Map<string, number>();
  for (const part of text?.slice(0, 512).split(",") ?? []) {
    const [, name, durationMs] = DURATION.exec(part) ?? [];
    if (name !== undefined) read.set(name, Number(durationMs));
  }
  return read;
}
