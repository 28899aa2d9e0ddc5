import { connect } from "node:net";
import { performance } from "node:perf_hooks";
import { seededRandom, type SeededRandom } from "../simulation/engine/seeded-random.ts";
import { type GatewayChild, startGatewayChild } from "./gateway-child.ts";
import { mutatedInput } from "./mutate.ts";
import { statusesIn } from "./raw-exchange.ts";

export interface FuzzOptions {
  readonly requests: number;
  readonly seed: number;
  readonly connections: number;
  readonly onProgress: (done: number, findings: number) => void;
}

export interface Finding {
  readonly kind: "crash" | "unforeseen" | "server-error" | "hang" | "uncounted";
  /** Which input it was; undefined where that cannot be told. */
  readonly input: number | undefined;
  readonly detail: string;
}

export interface FuzzResult {
  readonly requests: number;
  readonly seed: number;
  readonly seconds: number;
  /** How often each status was answered. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Connections that ended without an answer. */
  readonly unanswered: number;
  readonly agentCalls: number;
  readonly loggedAttempts: number;
  readonly findings: readonly Finding[];
}

/** A connection whose caller has said all must have ended by then. */
const HANG_MS = 15_000;
/** What is answered is answered by then, mostly; the caller ends the connection. */
const QUIET_MS = 20;
const SILENT_MS = 150;
/** Each address has its own ports, and a closed connection holds its port for a minute. */
const CALLER_ADDRESSES = 60;
const FINDINGS_MAX = 100;
const NOT_SERVED = 501;

/** Sends mutated requests to a gateway of its own; whatever they are, it must not fail by them. */
export async function fuzzGateway(options: FuzzOptions): Promise<FuzzResult> {
  const { requests, seed, connections, onProgress } = options;
  await using gateway = await startGatewayChild();
  const startedAtMs = performance.now();
  const found: Finding[] = [];
  const statuses: Record<string, number> = {};
  let [next, done, unanswered] = [0, 0, 0];

  const work = async (): Promise<void> => {
    while (next < requests && found.length < FINDINGS_MAX && !gateway.hasEnded()) {
      const input = next;
      next += 1;
      const outcome = await sendInput(gateway.publicUrl, seed, input);
      done += 1;
      if (outcome.statuses.length === 0) unanswered += 1;
      for (const status of outcome.statuses) {
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (status >= 500 && status !== NOT_SERVED)
          found.push({ kind: "server-error", input, detail: String(status) });
      }
      if (outcome.isHanging)
        found.push({ kind: "hang", input, detail: `open ${HANG_MS} ms after its end` });
      onProgress(done, found.length);
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  const seconds = (performance.now() - startedAtMs) / 1_000;
  found.push(...(await findingsAtEnd(gateway)));
  return {
    requests: done,
    seed,
    seconds,
    statuses,
    unanswered,
    agentCalls: gateway.ground.agent.calls.length,
    loggedAttempts: [...gateway.attempts.values()].reduce((sum, count) => sum + count, 0),
    findings: found,
  };
}

async function findingsAtEnd(gateway: GatewayChild): Promise<Finding[]> {
  const wasAlive = !gateway.hasEnded();
  const exitCode = await gateway.stop();
  const found: Finding[] = gateway.failures.map((detail) => ({
    kind: "unforeseen",
    input: undefined,
    detail,
  }));
  if (!wasAlive || exitCode !== 0)
    found.push({ kind: "crash", input: undefined, detail: `the gateway ended with ${exitCode}` });
  const seen = new Map<string, number>();
  for (const { headers } of gateway.ground.agent.calls) {
    const requestId = String(headers["x-request-id"]);
    seen.set(requestId, (seen.get(requestId) ?? 0) + 1);
  }
  for (const [requestId, calls] of seen) {
    const logged = gateway.attempts.get(requestId) ?? 0;
    if (calls > logged)
      found.push({
        kind: "uncounted",
        input: undefined,
        detail: `${requestId}: an agent saw ${calls} calls, the log has ${logged}`,
      });
  }
  return found;
}

/** The same for the same seed and number, wherever in a run it is sent. */
export const inputOf = (seed: number, input: number): { bytes: string; random: SeededRandom } => {
  const random = seededRandom(`${seed}/${input}`);
  return { bytes: mutatedInput(random), random };
};

interface InputOutcome {
  readonly statuses: readonly number[];
  readonly text: string;
  readonly isHanging: boolean;
}

export function sendInput(url: string, seed: number, input: number): Promise<InputOutcome> {
  const { bytes, random } = inputOf(seed, input);
  const { hostname, port } = new URL(url);
  const endsAtOnce = random.chance(0.3);
  const piecesAt = random.chance(0.3) ? random.index(bytes.length + 1) : bytes.length;
  const { promise, resolve } = Promise.withResolvers<InputOutcome>();
  const localAddress = `127.0.0.${2 + (input % CALLER_ADDRESSES)}`;
  const socket = connect({ host: hostname, port: Number(port), localAddress, noDelay: true });
  let [text, isHanging] = ["", false];
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => {
    socket.end();
    timer = setTimeout(() => {
      isHanging = true;
      socket.destroy();
    }, HANG_MS);
  };
  const endAfter = (quietMs: number): void => {
    if (socket.writableEnded) return;
    clearTimeout(timer);
    timer = setTimeout(end, quietMs);
  };
  socket.once("connect", () => {
    socket.write(bytes.slice(0, piecesAt), "latin1");
    setImmediate(() => {
      if (piecesAt < bytes.length) socket.write(bytes.slice(piecesAt), "latin1");
      endAfter(endsAtOnce ? 0 : SILENT_MS);
    });
  });
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
    endAfter(QUIET_MS);
  });
  socket.on("error", () => socket.destroy());
  socket.once("close", () => {
    clearTimeout(timer);
    resolve({ statuses: statusesIn(text), text, isHanging });
  });
  return promise;
}
