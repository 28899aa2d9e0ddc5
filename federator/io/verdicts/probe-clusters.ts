import type { Logger } from "pino";
import type { Zone } from "#lib/contracts/zone.ts";
import { deadline } from "#lib/deadline.ts";
import type { Clock } from "#lib/ports/clock.ts";
import {
  type ClusterEvent,
  type ClusterLimits,
  type ClusterState,
  LOOK_INTERVAL_MS,
  patienceLeftMs,
  stepCluster,
  unknownCluster,
} from "../../core/verdicts/judge-cluster.ts";
import type { Links } from "../../ports.ts";
import { runLoop } from "../run-loop.ts";

/** A cluster that starts is looked for more often, so that it is in service as soon as it answers. */
const FIRST_SIGHT_INTERVAL_MS = 100;
/** The shortest pause between two looks, so that a moment that is about to come is not awaited in circles. */
const LOOK_INTERVAL_MIN_MS = 10;
/** A look that comes later than this after it was due: this process stood still. */
const LATE_LOOK_MS = 500;

export interface ProbeOptions {
  readonly zones: readonly Zone[];
  readonly links: Links;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: ClusterLimits;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** A cluster in service that has not answered by then is asked again at once: one lost packet must not look like a pause. */
  readonly retryMs: number;
  /** After each change of a view. */
  readonly onChange: () => void;
  /** After each look at the silence, with a change or without: every 250 ms at least. */
  readonly onLooked: () => void;
}

export interface Probing {
  /** This federator's own view of each cluster. */
  readonly clusters: () => ReadonlyMap<string, ClusterState>;
  /** Since this process last stood still, as its own looks show; infinite when it never did. */
  readonly awakeForMs: () => number;
  readonly close: () => Promise<void>;
}

/** Asks every cluster's agent, each at its own pace, whether it answers; needs neither catalog nor replica. */
export function probeClusters(options: ProbeOptions): Probing {
  const { zones, clock, log, limits } = options;
  const closing = new AbortController();
  const states = new Map(zones.map(({ clusterId }) => [clusterId, unknownCluster(clock.nowMs())]));
  const viewOf = (clusterId: string) => states.get(clusterId)?.view;

  const step = (clusterId: string, event: ClusterEvent): void => {
    const before = states.get(clusterId);
    if (before === undefined) return;
    const after = stepCluster(before, event, clock.nowMs(), limits);
    states.set(clusterId, after);
    if (after.view === before.view) return;
    log.info({ clusterId, from: before.view, to: after.view }, "own view changed");
    options.onChange();
  };
  const probing = zones.map(({ name, clusterId }) =>
    runLoop(
      {
        name: `probe ${clusterId}`,
        intervalMs: () =>
          viewOf(clusterId) === "unknown"
            ? Math.min(options.intervalMs, FIRST_SIGHT_INTERVAL_MS)
            : options.intervalMs,
        clock,
        log,
        signal: closing.signal,
      },
      async (signal) => {
        const retryMs = viewOf(clusterId) === "up" ? options.retryMs : options.timeoutMs;
        const outcome = await ask({ ...options, retryMs }, name, signal);
        if (!signal.aborted) step(clusterId, outcome);
      },
    ),
  );

  const looks = lookWatch(clock);
  const looking = runLoop(
    {
      name: "look at the silence",
      intervalMs: () => looks.next(nextLookMs([...states.values()], limits)),
      clock,
      log,
      signal: closing.signal,
    },
    () => {
      looks.looked();
      for (const clusterId of states.keys()) step(clusterId, "looked");
      options.onLooked();
    },
  );
  return {
    clusters: () => states,
    awakeForMs: looks.awakeForMs,
    close: async () => {
      closing.abort(new Error("probing was closed"));
      await Promise.all([...probing, looking].map(({ ended }) => ended));
    },
  };
}

const WAS_HEARD = new Error("another answer came first");

/** One round: asks, and asks again while nothing comes; the first answer, or the first refusal, ends it. */
async function ask(
  {
    links,
    clock,
    timeoutMs,
    retryMs,
  }: Pick<ProbeOptions, "links" | "clock" | "timeoutMs" | "retryMs">,
  zone: string,
  signal: AbortSignal,
): Promise<"answered" | "refused" | "silent"> {
  using limit = deadline(clock, timeoutMs, signal);
  const heard = new AbortController();
  const ended = AbortSignal.any([limit.signal, heard.signal]);
  let outcome: "answered" | "refused" | "silent" = "silent";
  const askOnce = async (): Promise<void> => {
    const its = await links.ping(zone, ended);
    if (its === "silent" || ended.aborted) return;
    outcome = its;
    heard.abort(WAS_HEARD);
  };
  const asked: Promise<void>[] = [];
  while (!ended.aborted) {
    asked.push(askOnce());
    await clock.sleep(retryMs, ended).catch(() => undefined);
  }
  await Promise.all(asked);
  return outcome;
}

/** When the first of those in service would be down without another answer; at least at the pace of looks. */
const nextLookMs = (states: readonly ClusterState[], limits: ClusterLimits): number =>
  Math.max(
    LOOK_INTERVAL_MIN_MS,
    Math.min(
      LOOK_INTERVAL_MS,
      ...states
        .filter(({ view }) => view === "up")
        .map((state) => Math.ceil(patienceLeftMs(state, limits))),
    ),
  );

/** Tells from the looks themselves whether this process stood still: no other timer is needed, and none can be fooled. */
function lookWatch(clock: Clock) {
  let dueMs = clock.nowMs();
  let wokeAtMs = Number.NEGATIVE_INFINITY;
  const isLate = (): boolean => clock.nowMs() - dueMs > LATE_LOOK_MS;
  return {
    next: (pauseMs: number): number => {
      dueMs = clock.nowMs() + pauseMs;
      return pauseMs;
    },
    looked: (): void => {
      if (isLate()) wokeAtMs = clock.nowMs();
    },
    awakeForMs: (): number => (isLate() ? 0 : clock.nowMs() - wokeAtMs),
  };
}
