import { text } from "node:stream/consumers";
import { openLane, requestBytes } from "./lane.ts";
import type { ClosedLoopPlan, ClosedLoopResult } from "./plan.ts";

/* Keeps every connection busy until the time is up and the requests are made; a process of its own, pinned by who starts it. */
const SILENCE_LIMIT_MS = 10_000;

const plan: ClosedLoopPlan = JSON.parse(await text(process.stdin));
const url = new URL(plan.url);
const request = requestBytes(url, plan.headers, plan.body);
const latencies: number[] = [];
let errors = 0;
let firstError: string | null = null;
const startedAtMs = performance.now();
const endAtMs = startedAtMs + plan.seconds * 1_000;

const silence = setInterval(failWhenSilent, SILENCE_LIMIT_MS);
let seenRequests = -1;
await Promise.all(Array.from({ length: plan.connections }, keepBusy));
clearInterval(silence);

const elapsedSeconds = (performance.now() - startedAtMs) / 1_000;
const sorted = Float64Array.from(latencies).toSorted();
const quantile = (share: number): number =>
  Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 1_000);
const result: ClosedLoopResult = {
  requests: latencies.length,
  errors,
  firstError,
  elapsedSeconds,
  p50Micros: quantile(0.5),
  p99Micros: quantile(0.99),
};
process.stdout.write(`${JSON.stringify(result)}\n`);

function keepBusy(): Promise<void> {
  return new Promise((resolve) => {
    let sentAtMs = 0;
    const send = (): void => {
      sentAtMs = performance.now();
      lane.send(request);
    };
    const lane = openLane(url, false, {
      onOpen: send,
      onAnswer: ({ status, body }) => {
        const nowMs = performance.now();
        if (status === 200) latencies.push(nowMs - sentAtMs);
        else note(`${status} ${body.slice(0, 300)}`);
        if (nowMs < endAtMs || latencies.length + errors < plan.requestsMin) return send();
        lane.close();
        resolve();
      },
      onLost: (reason) => {
        note(reason);
        resolve();
      },
    });
  });
}

function note(error: string): void {
  errors += 1;
  firstError ??= error;
}

function failWhenSilent(): void {
  if (latencies.length + errors === seenRequests)
    throw new Error(`no answer in ${SILENCE_LIMIT_MS / 1_000} s`);
  seenRequests = latencies.length + errors;
}
