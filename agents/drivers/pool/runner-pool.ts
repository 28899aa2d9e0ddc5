import {
  afterFailedRefill,
  afterRefill,
  afterStart,
  firstDemand,
  type PoolDemand,
} from "../../core/pool/pool-demand.ts";
import { planPool } from "../../core/pool/plan-pool.ts";
import { type PoolClass, poolKey } from "../../core/pool/pool-class.ts";
import type { RunningProcess } from "../../launcher/messages.ts";
import type { InstanceReport } from "../launcher-client.ts";

/** What a runner prints once it has exercised itself and waits for its function: nothing else can print before. */
const WAITS = "pooled";
const START_LIMIT_MS = 10_000;
/** After the last start that calls waited for, before a runner is started. */
const CALM_MS = 50;
/** Demand fades without anything happening. */
const REVIEW_INTERVAL_MS = 10_000;

/** Processes that are started, sandboxed and exercised before anybody calls; each becomes an instance of one function, once. */
export interface RunnerPool {
  /** Whoever takes it has it for good, also what the launcher reports of it. */
  readonly take: (of: PoolClass) => RunningProcess | undefined;
  /** An instance is being started, pooled or not: until then nothing else is. */
  readonly follow: (started: Promise<unknown>) => void;
  readonly onReport: (report: InstanceReport) => void;
  /** The launcher is gone, and all runners with it. */
  readonly onLost: () => void;
  readonly pids: () => readonly number[];
  readonly close: () => void;
}

export interface RunnerPoolOptions {
  readonly runnersMax: number;
  /** Absent: as long as a process may take. */
  readonly startLimitMs?: number;
  /** Of which one is always kept, whether it was ever asked for or not. */
  readonly always: readonly PoolClass[];
  /** Begins to start one; rejects where this machine cannot. */
  readonly launch: (of: PoolClass) => { readonly id: string; readonly launched: Promise<void> };
  readonly kill: (id: string) => void;
  /** Nobody took it, or nobody can any more; said at least once. */
  readonly onGone: (id: string) => void;
  readonly nowMs: () => number;
}

interface Shelf {
  readonly of: PoolClass;
  demand: PoolDemand;
  readonly waiting: RunningProcess[];
}

interface StartingRunner {
  readonly id: string;
  readonly shelf: Shelf;
  readonly beganAtMs: number;
  readonly timer: NodeJS.Timeout;
  process: RunningProcess | undefined;
  output: string;
}

export function runnerPool(options: RunnerPoolOptions): RunnerPool {
  const { nowMs, kill } = options;
  const shelves = new Map<string, Shelf>();
  for (const of of options.always)
    shelves.set(poolKey(of), { of, demand: firstDemand(nowMs(), 1), waiting: [] });
  let starting: StartingRunner | undefined;
  let startsUnderway = 0;
  let isClosed = false;
  let calm: NodeJS.Timeout | undefined;

  const review = (): void => {
    calm = undefined;
    if (isClosed) return;
    const counted = [...shelves.values()].map((shelf) => ({
      shelf,
      demand: shelf.demand,
      runners: shelf.waiting.length + (starting?.shelf === shelf ? 1 : 0),
    }));
    const isBusy = startsUnderway > 0 || starting !== undefined;
    const plan = planPool(counted, { runnersMax: options.runnersMax, isBusy }, nowMs());
    for (const { shelf, runners } of plan.retire)
      for (const runner of shelf.shelf.waiting.splice(0, runners)) kill(runner.instance);
    if (plan.start !== undefined) refill(plan.start.shelf);
  };
  const reviewSoon = (): void => {
    calm ??= setTimeout(review, CALM_MS).unref();
  };

  const refill = (shelf: Shelf): void => {
    const { id, launched } = options.launch(shelf.of);
    const timer = setTimeout(() => giveUp(id), options.startLimitMs ?? START_LIMIT_MS).unref();
    starting = { id, shelf, beganAtMs: nowMs(), timer, process: undefined, output: "" };
    launched.catch(() => giveUp(id));
  };
  /** It came to nothing, and what is left of it is ended. */
  const giveUp = (id: string): void => {
    if (starting?.id !== id) return;
    const { shelf, timer } = starting;
    clearTimeout(timer);
    starting = undefined;
    kill(id);
    options.onGone(id);
    shelf.demand = afterFailedRefill(shelf.demand, nowMs());
    reviewSoon();
  };
  const onOutput = (runner: StartingRunner, text: string): void => {
    runner.output += text;
    if (runner.output.trim() !== WAITS || runner.process === undefined) return;
    const { shelf, process, beganAtMs, timer } = runner;
    clearTimeout(timer);
    starting = undefined;
    shelf.demand = afterRefill(shelf.demand, nowMs() - beganAtMs);
    shelf.waiting.push(process);
    reviewSoon();
  };
  const forget = (id: string): void => {
    giveUp(id);
    for (const { waiting } of shelves.values()) {
      const index = waiting.findIndex(({ instance }) => instance === id);
      if (index !== -1) waiting.splice(index, 1);
    }
    options.onGone(id);
    reviewSoon();
  };
  const reviewing = setInterval(review, REVIEW_INTERVAL_MS).unref();
  reviewSoon();

  return {
    take: (of) => {
      const key = poolKey(of);
      const shelf = shelves.get(key) ?? { of, demand: firstDemand(nowMs()), waiting: [] };
      shelves.set(key, shelf);
      shelf.demand = afterStart(shelf.demand, nowMs());
      return shelf.waiting.shift();
    },
    follow: (started) => {
      startsUnderway += 1;
      void started.finally(() => {
        startsUnderway -= 1;
        reviewSoon();
      });
    },
    onReport: (report) => {
      const runner = starting?.id === report.instance ? starting : undefined;
      switch (report.kind) {
        case "started":
          if (runner !== undefined) runner.process = report;
          return;
        case "output":
          if (runner !== undefined) onOutput(runner, report.text);
          return;
        case "not-started":
        case "exited":
          forget(report.instance);
      }
    },
    onLost: () => {
      if (starting !== undefined) giveUp(starting.id);
      for (const { waiting } of shelves.values())
        for (const { instance } of waiting.splice(0)) options.onGone(instance);
      reviewSoon();
    },
    pids: () =>
      [...shelves.values()]
        .flatMap(({ waiting }) => waiting.map(({ pid }) => pid))
        .concat(starting?.process?.pid ?? []),
    close: () => {
      isClosed = true;
      clearInterval(reviewing);
      clearTimeout(calm);
      clearTimeout(starting?.timer);
    },
  };
}
