import { connect } from "node:net";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { type LaneCase, laneCase } from "./lane-cases.ts";
import { type Lane, type LanePair, openLanePair } from "./lane-pair.ts";

export interface LanesOptions {
  readonly cases: number;
  readonly seed: number;
  /** Cases at once. */
  readonly pairs: number;
  readonly onProgress: (done: number, differences: number) => void;
}

export interface LanesResult {
  readonly cases: number;
  readonly seed: number;
  readonly seconds: number;
  readonly requests: number;
  /** Of them, those that the fast lane answered itself. */
  readonly servedFast: number;
  /** Cases that were equal only when they were sent again, alone with more time. */
  readonly repeated: number;
  readonly differences: readonly Difference[];
}

export interface Difference {
  readonly number: number;
  readonly sent: LaneCase;
  readonly fast: LaneOutcome;
  readonly node: LaneOutcome;
}

export interface LaneOutcome {
  /** All that was answered, without dates. */
  readonly text: string;
  /** The other side ended the connection before the caller did. */
  readonly isClosed: boolean;
  /** It was still open long after the caller had said all. */
  readonly isHanging: boolean;
  readonly isReset: boolean;
  readonly requests: readonly string[];
}

/** What is answered is answered by then; longer than a request may take to be whole in the fast lane. */
const QUIET_TICKS = 8;
const QUIET_TICKS_AGAIN = 50;
/** Counted in ticks, since a machine that stands still for a second has answered nothing in it. */
const TICK_MS = 20;
const HANG_TICKS = 500;
const TRIES = 3;
const DIFFERENCES_MAX = 20;
/** One pair of so many is draining: each of its connections ends with its first answer. */
const DRAINING_EACH = 8;

/** Sends each case to both lanes and compares what callers and pipeline see. */
export async function fuzzLanes(options: LanesOptions): Promise<LanesResult> {
  const { cases, seed, pairs, onProgress } = options;
  const startedAtMs = performance.now();
  const differences: Difference[] = [];
  let [next, done, requests, servedFast, repeated] = [0, 0, 0, 0, 0];

  const work = async (_: unknown, worker: number): Promise<void> => {
    const isDraining = worker % DRAINING_EACH === DRAINING_EACH - 1;
    await using pair = await openLanePair(isDraining);
    while (next < cases && differences.length < DIFFERENCES_MAX) {
      const number = next;
      next += 1;
      const compared = await compareLanes(pair, laneCase(seed, number), isDraining);
      done += 1;
      requests += compared.node.requests.length;
      servedFast += compared.servedFast;
      if (compared.tries > 1) repeated += 1;
      if (!compared.isEqual) {
        const { fast, node } = compared;
        differences.push({ number, sent: laneCase(seed, number), fast, node });
      }
      onProgress(done, differences.length);
    }
  };
  await Promise.all(Array.from({ length: pairs }, work));
  const seconds = (performance.now() - startedAtMs) / 1_000;
  return { cases: done, seed, seconds, requests, servedFast, repeated, differences };
}

/** A difference that goes away with more time was one of the machine's mood. */
export async function compareLanes(pair: LanePair, sent: LaneCase, isDraining: boolean) {
  for (let tries = 1; ; tries += 1) {
    const quietTicks = tries === 1 ? QUIET_TICKS : QUIET_TICKS_AGAIN;
    const [fast, node] = await Promise.all([
      sendCase(pair.fast, sent, quietTicks),
      sendCase(pair.node, sent, quietTicks),
    ]);
    const isEqual = areEqual(fast, node, isDraining);
    const servedFast = fast.requests.length - fast.byNode;
    if (isEqual || tries === TRIES) return { fast, node, isEqual, tries, servedFast };
  }
}

function areEqual(fast: LaneOutcome, node: LaneOutcome, isDraining: boolean): boolean {
  if (fast.isClosed !== node.isClosed || fast.isHanging || node.isHanging) return false;
  // Node's server begins what comes behind an answer that ends the connection, and answers none of it; and a reset, by bytes that
  // come after the last answer, may take that answer with it.
  if (isDraining || fast.isReset || node.isReset)
    return (
      oneBeginsTheOther(fast.text, node.text) &&
      (!isDraining || oneBeginsTheOther(headsOf(fast.requests), headsOf(node.requests)))
    );
  return fast.text === node.text && node.requests.join() === fast.requests.join();
}

/** The body of what is begun behind the last answer may not come any more. */
const headsOf = (requests: readonly string[]): string =>
  requests.map((request) => request.replace(/,"body":.*/s, "}")).join();

const oneBeginsTheOther = (one: string, other: string): boolean =>
  one.startsWith(other) || other.startsWith(one);

async function sendCase(lane: Lane, { pieces }: LaneCase, quietTicks: number) {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  let [text, isClosed, isHanging, isReset] = ["", false, false, false];
  const socket = connect(lane.path);
  let quiet = 0;
  socket.on("data", (chunk: Buffer) => {
    quiet = 0;
    text += chunk.toString("latin1");
  });
  socket.on("end", () => {
    isClosed ||= !socket.writableEnded;
  });
  socket.on("error", () => {
    isReset = true;
    isClosed ||= !socket.writableEnded;
  });
  socket.once("close", resolve);
  for (const { bytes, afterMs } of pieces) {
    if (afterMs > 0) await delay(afterMs);
    if (socket.writable) socket.write(bytes, "latin1");
  }
  for (quiet = 0; quiet < quietTicks && !socket.closed; quiet += 1) await delay(TICK_MS);
  socket.end();
  for (let ticks = 0; ticks < HANG_TICKS && !socket.closed; ticks += 1) await delay(TICK_MS);
  isHanging = !socket.closed;
  socket.destroy();
  await closed;
  const { requests, byNode } = lane.takeSeen();
  return { text: withoutOrder(text), isClosed, isHanging, isReset, requests, byNode };
}

/** Dates differ, and the order of headers says nothing. */
const withoutOrder = (text: string): string =>
  text.replaceAll(
    /(HTTP\/1\.1 \d{3} [^\r\n]*)\r\n(.*?)\r\n\r\n/gs,
    (_, status, headers: string) => {
      const lines = headers.split("\r\n").filter((line) => !line.startsWith("Date: "));
      const told = lines.map((line) => line.replace(/^[^:]*/, (name) => name.toLowerCase()));
      return `${[status, ...told.toSorted()].join("\r\n")}\r\n\r\n`;
    },
  );
