import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Compile } from "typebox/compile";
import { Value } from "typebox/value";
import { CallRecord, LoadMessage, type LoadPlan } from "#lib/contracts/drill-load.ts";
import { readJsonLines } from "#lib/io/json-lines.ts";
import type { LoadTick } from "../core/judge-abort.ts";

/** Beyond the time limit of the last calls. */
const STOP_MARGIN_MS = 10_000;
/** Older ticks are no longer asked for. */
const TICKS_MAX = 36_000;

export interface LoadEnding {
  readonly calls: readonly CallRecord[];
  /** How many calls the generator says it made; null when it died. */
  readonly callsAnnounced: number | null;
}

export interface LoadProcess {
  /** Calls of the series that match and ended since then, by 100 ms. */
  readonly ticks: (sinceMs: number, matches: (series: string) => boolean) => readonly LoadTick[];
  readonly isRunning: () => boolean;
  /** Stops the arrivals, waits for the calls under way, and reads what was written down. */
  readonly stop: () => Promise<LoadEnding>;
}

/** Starts the generator with its plan. It ends by itself when this process does. */
export function startLoad(plan: LoadPlan): LoadProcess {
  const generator = spawn(
    process.execPath,
    [join(import.meta.dirname, "..", "load", "generator.ts")],
    // A session of its own: Ctrl-C is for the runner.
    { detached: true, stdio: ["pipe", "pipe", "inherit"] },
  );
  const messages: Extract<LoadMessage, { kind: "tick" }>[] = [];
  let callsAnnounced: number | null = null;
  generator.stdin.on("error", () => {
    // A generator that died shows in isRunning.
  });
  generator.stdin.write(`${JSON.stringify(plan)}\n`);

  const listen = async () => {
    for await (const message of readJsonLines(generator.stdout)) {
      if (!Value.Check(LoadMessage, message)) continue;
      if (message.kind === "finished") callsAnnounced = message.calls;
      else messages.push(message);
      if (messages.length > TICKS_MAX) messages.shift();
    }
  };
  const listening = listen().catch(() => {
    // What it could not tell is missing from its announcement, which makes the drill invalid.
  });
  const exited = once(generator, "exit").catch(() => undefined);
  const isRunning = () => generator.exitCode === null && generator.signalCode === null;

  return {
    isRunning,
    ticks: (sinceMs, matches) => {
      const first = messages.findLastIndex(({ atMs }) => atMs < sinceMs) + 1;
      return messages.slice(first).map(({ atMs, series }) => {
        const chosen = series.filter(({ name }) => matches(name));
        return {
          atMs,
          ok: chosen.reduce((sum, { ok }) => sum + ok, 0),
          failed: chosen.reduce((sum, { failed }) => sum + failed, 0),
        };
      });
    },
    stop: async () => {
      generator.stdin.end();
      const limit = setTimeout(() => generator.kill("SIGKILL"), plan.timeoutMs + STOP_MARGIN_MS);
      if (isRunning()) await exited;
      clearTimeout(limit);
      await listening;
      return { calls: await readCalls(plan.callsFile), callsAnnounced };
    },
  };
}

const callCheck = Compile(CallRecord);

/** Lines that are no call are left out, and so missed when they are counted against the announcement. */
async function readCalls(file: string): Promise<CallRecord[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => {
    const call = parse(line);
    return callCheck.Check(call) ? [call] : [];
  });
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
