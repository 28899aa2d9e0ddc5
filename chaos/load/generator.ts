import { existsSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { createInterface } from "node:readline";
import { Value } from "typebox/value";
import { type LoadMessage, LoadPlan } from "#lib/contracts/drill-load.ts";
import { callLog } from "./call-log.ts";
import { openLoop } from "./open-loop.ts";

/*
 * The load generator of a drill, a process of its own so that nothing under test shares its event loop. The plan is the first
 * line of its standard input; the end of that input, and so the death of the runner, stops the load.
 */
const TICK_MS = 100;
/** Above the programs under test, where the system lets us: the clock that measures must not wait for what is measured. */
const PRIORITY = -10;
const SESSION_PRIORITY_FILE = "/proc/self/autogroup";

raisePriority();
const stopping = new AbortController();
const input = createInterface({ input: process.stdin });
input.once("line", (line) => void run(parsePlan(line)));
input.once("close", () => stopping.abort());
process.on("SIGTERM", () => stopping.abort());
process.stdout.on("error", () => {
  // The runner died; the end of the input says so too, and the load stops.
});

async function run(plan: LoadPlan): Promise<void> {
  const log = callLog(plan.callsFile);
  const ticking = setInterval(() => tell(log.tick()), TICK_MS);
  await openLoop(plan, log.add, stopping.signal);
  clearInterval(ticking);
  tell(log.tick());
  tell(await log.close());
  input.close();
  process.stdin.destroy();
}

function parsePlan(line: string): LoadPlan {
  const plan: unknown = JSON.parse(line);
  if (!Value.Check(LoadPlan, plan)) throw new Error("the first line is not a load plan");
  return plan;
}

function tell(message: LoadMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function raisePriority(): void {
  try {
    setPriority(PRIORITY);
    // Where Linux groups processes by session, a priority counts only within the group; this session is the generator's alone.
    if (existsSync(SESSION_PRIORITY_FILE)) writeFileSync(SESSION_PRIORITY_FILE, String(PRIORITY));
  } catch {
    // Not allowed here: its slip will tell whether that mattered.
  }
}
