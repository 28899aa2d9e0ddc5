import { setTimeout as delay } from "node:timers/promises";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import { CALL_NUMBER_PLACE } from "../drive/plan.ts";
import { runOpenLoop } from "../drive/run-drive.ts";
import { startGatewayPair } from "../fault/gateway-pair.ts";
import {
  type FaultFigures,
  isDisturbed,
  judgeCalls,
  ofRounds,
  SLOW_MS,
} from "../fault/judge-calls.ts";
import type { Pair } from "../fault/pair.ts";
import { startProxyPair } from "../fault/proxy-pair.ts";
import { startEnvoyFailover } from "../peers/envoy.ts";
import { startHaproxyFailover } from "../peers/haproxy.ts";
import { startNginxFailover } from "../peers/nginx.ts";
import { signalAll } from "../processes.ts";
import type { BenchReport } from "../report.ts";

const PER_SECOND = 500;
const SECONDS = 15;
const FAULT_AT_SECONDS = 5;
const PAUSE_SECONDS = 5;
const CALLER_TIMEOUT_MS = 3_000;
const BODY = JSON.stringify({ id: CALL_NUMBER_PLACE });
const START_AHEAD_MS = 1_500;
/** What a backend that was stopped still has to do gets this long, before the starts are counted. */
const AFTERMATH_MS = 1_500;
const ATTEMPTS_MAX = 3;

const FAULTS = ["SIGKILL", "SIGSTOP for the rest", "SIGSTOP for 5 s, then SIGCONT"] as const;
type Fault = (typeof FAULTS)[number];

interface Contender {
  readonly name: string;
  readonly start: () => Promise<Pair | { readonly missing: string }>;
}
const CONTENDERS: readonly Contender[] = [
  { name: "gateway, idempotent function", start: () => startGatewayPair(true) },
  { name: "gateway, any other function", start: () => startGatewayPair(false) },
  { name: "nginx", start: () => startProxyPair(startNginxFailover) },
  { name: "Envoy", start: () => startProxyPair(startEnvoyFailover) },
  { name: "haproxy", start: () => startProxyPair(startHaproxyFailover) },
];

interface FaultRow extends FaultFigures {
  readonly fault: Fault;
  readonly proxy: string;
}

/** What callers see of an active backend that dies or hangs, behind the gateway and behind tuned proxies. */
export async function benchFault({
  rounds,
  tell,
}: {
  readonly rounds: number;
  readonly tell: (what: string) => void;
}): Promise<BenchReport> {
  const missing = new Set<string>();
  const seen = new Map<string, { fault: Fault; proxy: string; rounds: FaultFigures[] }>();
  for (let round = 1; round <= rounds; round += 1)
    for (const fault of FAULTS)
      for (const { name, start } of CONTENDERS) {
        const figures = await strikeUndisturbed(start, fault, (what) =>
          tell(`round ${round} of ${rounds}, ${fault}, ${name}: ${what}`),
        );
        if ("missing" in figures) {
          missing.add(`without ${name}: ${figures.missing}`);
          continue;
        }
        const key = `${fault} ${name}`;
        const known = seen.get(key) ?? { fault, proxy: name, rounds: [] };
        known.rounds.push(figures);
        seen.set(key, known);
      }
  const rows = [...seen.values()].map(({ fault, proxy, rounds: each }) => ({
    fault,
    proxy,
    ...ofRounds(each),
  }));
  return {
    tables: [
      {
        title: "The active backend dies or hangs",
        heads: [
          "fault",
          "proxy",
          "calls",
          "failed",
          `failed or > ${SLOW_MS} ms`,
          "last such after, s",
          "slowest, ms",
          "executed twice",
          "in flight at the fault",
          "bad before",
          "load late, ms",
        ],
        rows: rows.map(cells),
      },
    ],
    notes: [
      ...missing,
      `${PER_SECOND} POSTs/s for ${SECONDS} s from a process of its own, each sent when it is due; fault after ${FAULT_AT_SECONDS} s; callers wait ${CALLER_TIMEOUT_MS / 1_000} s`,
      `of ${rounds} ${rounds === 1 ? "round" : "rounds"} the worst counts and the median times; a function counts its own starts, by call, until ${AFTERMATH_MS / 1_000} s after a stopped backend was woken`,
      `bad before: failed or slow calls that were over before the fault; they and a load that was late say that the machine was busy with other things, and such runs are made again, ${ATTEMPTS_MAX} times at most`,
      "the standby has one instance of the function ready, as nginx's has a server; nobody restarts what was killed",
      "Envoy: priorities, health checks of 1 s (3 to fail), outlier detection, 1 s for each try, one retry to the other priority",
      "haproxy: checks of 1 s (fall 3), redispatch, 2 retries on conn-failure, empty-response and response-timeout, 1 s for each try",
      "nginx: proxy_next_upstream error timeout non_idempotent, 1 s for each try, max_fails 3, the second server as backup",
    ],
    result: { rounds, rows, missing: [...missing] },
  };
}

/** A run on a machine that is busy with other things says nothing: it is made again, a few times. */
async function strikeUndisturbed(
  start: Contender["start"],
  fault: Fault,
  tell: (what: string) => void,
): Promise<FaultFigures | { readonly missing: string }> {
  for (let attempt = 1; ; attempt += 1) {
    const pair = await start();
    if ("missing" in pair) return pair;
    const figures = await strike(pair, fault);
    tell(JSON.stringify(figures));
    if (!isDisturbed(figures) || attempt === ATTEMPTS_MAX) return figures;
    tell(`${figures.badBefore} calls were bad before the fault; once more`);
  }
}

/** One run: load, fault, load, and what it came to. */
async function strike(pair: Pair, fault: Fault): Promise<FaultFigures> {
  try {
    const startAtMs = machineNowMs() + START_AHEAD_MS;
    const load = runOpenLoop({
      url: pair.url,
      headers: pair.headers,
      body: BODY,
      isNumberAnswered: true,
      startAtMs,
      perSecond: PER_SECOND,
      seconds: SECONDS,
      timeoutMs: CALLER_TIMEOUT_MS,
    });
    const [calls, faultAtMs] = await Promise.all([
      load,
      injectAt(startAtMs + FAULT_AT_SECONDS * 1_000, pair, fault),
    ]);
    if (fault !== "SIGKILL") signalAll(pair.activePids(), "SIGCONT");
    await delay(AFTERMATH_MS);
    return judgeCalls(calls, await pair.startedIds(), faultAtMs);
  } finally {
    await pair.stop();
  }
}

/** Resolves with the moment of the fault, once it is over or lasts. */
async function injectAt(atMs: number, pair: Pair, fault: Fault): Promise<number> {
  await delay(atMs - machineNowMs());
  const pids = pair.activePids();
  const faultAtMs = machineNowMs();
  signalAll(pids, fault === "SIGKILL" ? "SIGKILL" : "SIGSTOP");
  if (fault === "SIGSTOP for 5 s, then SIGCONT") {
    await delay(PAUSE_SECONDS * 1_000);
    signalAll(pids, "SIGCONT");
  }
  return faultAtMs;
}

const cells = (row: FaultRow): string[] => [
  row.fault,
  row.proxy,
  String(row.calls),
  String(row.failed),
  String(row.failedOrSlow),
  String(row.lastAfterSeconds),
  String(row.slowestMs),
  String(row.executedTwice),
  String(row.inFlight),
  String(row.badBefore),
  String(row.slipMs),
];
