import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { CandidatePlan } from "./candidate-plan.ts";
import { type DeedsJudge, judgeDeeds } from "./judge-deeds.ts";
import type { TrialCatalog, Wire } from "./trial-catalogs.ts";
import { until as untilSo } from "./until.ts";

export const MISFORTUNES = ["kill", "stop", "partition", "clock step"] as const;
export type Misfortune = (typeof MISFORTUNES)[number];

export interface TrialOptions {
  readonly count: number;
  readonly misfortunes: readonly Misfortune[];
  readonly thinksMaxMs: number;
  readonly isUnfenced?: boolean;
  /** No further trial once this is true. */
  readonly isEnough?: (judge: DeedsJudge) => boolean;
}

export interface TrialResult {
  readonly judge: DeedsJudge;
  /** Writes of leaders that no longer were, which the catalog turned away. */
  readonly refused: number;
  /** From each misfortune to the first deed of the next leader. */
  readonly takeovers: readonly Takeover[];
}

interface Takeover {
  readonly misfortune: Misfortune;
  readonly tookMs: number;
}

const ZONES = ["a", "b", "c"];
/** Leases are short here, and disks of busy machines may take longer than they last to write a renewal. */
const until = (what: string, isSo: () => Promise<boolean>) => untilSo(what, isSo, 60_000);
const CANDIDATE = new URL("./candidate-process.ts", import.meta.url);
const STEP_CLOCK = new URL("../../../support/step-clock-process.ts", import.meta.url).href;

/** One misfortune of the leader after the other, with real processes; every revision of the catalog is judged. */
export async function runTrials(
  t: TestContext,
  catalog: TrialCatalog,
  options: TrialOptions,
): Promise<TrialResult> {
  const stopping = new AbortController();
  t.after(() => stopping.abort());
  const judge = judgeDeeds(catalog.direct, stopping.signal);
  const crowd = await startCrowd(t, catalog, options);
  const takeovers: Takeover[] = [];
  for (let trial = 0; trial < options.count && options.isEnough?.(judge) !== true; trial += 1) {
    const misfortune = options.misfortunes[trial % options.misfortunes.length] ?? "kill";
    const tookMs = await runTrial(misfortune, { catalog, crowd, judge });
    if (tookMs !== undefined) takeovers.push({ misfortune, tookMs });
  }
  stopping.abort();
  await judge.ended;
  return { judge, refused: crowd.refused(), takeovers };
}

interface Stage {
  readonly catalog: TrialCatalog;
  readonly crowd: Crowd;
  readonly judge: DeedsJudge;
}

async function runTrial(misfortune: Misfortune, stage: Stage): Promise<number | undefined> {
  const { catalog, crowd, judge } = stage;
  await until("somebody leads and acts", async () => hasActed(judge, 0));
  await delay(Math.random() * catalog.ttlMs);
  await until("somebody leads and acts still", async () => hasActed(judge, 0));
  const { zone, token } = judge.seated() ?? { zone: "a", token: 0 };
  const struckAtMs = performance.now();
  const undo = await strike(misfortune, zone, stage);
  if (misfortune === "clock step") {
    const before = judge.deeds();
    await delay(catalog.ttlMs);
    await until("somebody goes on acting", async () => judge.deeds() > before);
    return undefined;
  }
  await until(`after a ${misfortune} another leads and acts`, async () => hasActed(judge, token));
  const tookMs = performance.now() - struckAtMs;
  await delay(Math.max(0, 3 * catalog.ttlMs - tookMs));
  await undo();
  // Time for what the old leader still has to say.
  await delay(catalog.ttlMs / 2);
  await crowd.allRun();
  return tookMs;
}

/** Under a token greater than the one named. */
function hasActed(judge: DeedsJudge, afterToken: number): boolean {
  const token = judge.seated()?.token ?? 0;
  return token > afterToken && judge.deedsUnder(token) > 0;
}

/** Resolves with what undoes it. */
async function strike(
  misfortune: Misfortune,
  zone: string,
  { catalog, crowd }: Stage,
): Promise<() => Promise<void> | void> {
  const { process: its, wire } = crowd.candidate(zone);
  switch (misfortune) {
    case "kill": {
      its.kill("SIGKILL");
      // Every second time its successor in the same zone is there at once.
      if (Math.random() < 0.5) return () => crowd.start(zone);
      crowd.start(zone);
      return () => undefined;
    }
    case "stop":
      its.kill("SIGSTOP");
      return () => void its.kill("SIGCONT");
    case "partition":
      for (const proxy of wire.proxies) proxy.blackHole();
      return () => {
        for (const proxy of wire.proxies) proxy.heal();
      };
    case "clock step":
      its.kill("SIGUSR2");
      catalog.stepClock();
      return () => undefined;
  }
}

interface Candidate {
  readonly process: ChildProcess;
  readonly wire: Wire;
}

interface Crowd {
  readonly candidate: (zone: string) => Candidate;
  readonly start: (zone: string) => void;
  readonly allRun: () => Promise<void>;
  readonly refused: () => number;
}

async function startCrowd(
  t: TestContext,
  catalog: TrialCatalog,
  { thinksMaxMs, isUnfenced = false }: TrialOptions,
): Promise<Crowd> {
  const wires = new Map<string, Wire>();
  for (const zone of ZONES) wires.set(zone, await catalog.wire());
  const running = new Map<string, Candidate>();
  let lives = 0;
  let refused = 0;
  const candidate = (zone: string): Candidate => {
    const found = running.get(zone);
    if (found === undefined) throw new Error(`nobody runs in ${zone}`);
    return found;
  };
  const start = (zone: string): void => {
    const wire = wires.get(zone);
    if (wire === undefined) throw new Error(`no wire to ${zone}`);
    lives += 1;
    const sessionId = `${zone}#${lives}`;
    const { ttlMs } = catalog;
    const plan: CandidatePlan = { ...wire.plan, zone, sessionId, ttlMs, thinksMaxMs, isUnfenced };
    const started = fork(CANDIDATE, [JSON.stringify(plan)], {
      execArgv: ["--import", STEP_CLOCK],
      stdio: ["ignore", 2, 2, "ipc"],
    });
    started.on("message", () => (refused += 1));
    running.set(zone, { process: started, wire });
  };
  t.after(async () => {
    for (const { process: its } of running.values())
      if (its.exitCode === null && its.signalCode === null) {
        const ended = once(its, "exit");
        its.kill("SIGKILL");
        await ended;
      }
  });
  for (const zone of ZONES) start(zone);
  return {
    candidate,
    start,
    allRun: async () => {
      for (const zone of ZONES)
        if (candidate(zone).process.exitCode !== null)
          throw new Error(`the candidate of ${zone} has ended`);
    },
    refused: () => refused,
  };
}
