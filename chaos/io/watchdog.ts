import { createInterface } from "node:readline";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { undoOpenIntents } from "./perform-undo.ts";

/*
 * Outlives the runner of a drill: `node watchdog.ts JOURNAL`, in a session of its own, with a pipe from the runner as standard
 * input. When the pipe ends, however the runner died, it undoes what the journal tells to be open. While a fault is armed and the
 * runner neither undoes it nor dies, as when it is stopped, the fault is undone at its dead-man time.
 */
const Message = Type.Object({ kind: Type.Literal("arm"), deadManMs: Type.Integer({ minimum: 1 }) });
/** A zone that is starting, or an `up` that is busy, may take a moment. */
const TRIES = 5;
const BETWEEN_TRIES_MS = 2_000;

const [journalFile] = process.argv.slice(2);
if (journalFile === undefined) throw new Error("usage: watchdog.ts JOURNAL");

const timers = new Set<NodeJS.Timeout>();
const pipe = createInterface({ input: process.stdin });
pipe.on("line", (line) => {
  const message: unknown = JSON.parse(line);
  if (!Value.Check(Message, message)) return;
  timers.add(setTimeout(() => void undoFaults(journalFile), message.deadManMs));
});
pipe.once("close", () => void undoEverything(journalFile));
process.on("SIGTERM", () => pipe.close());
process.stdout.write("watching\n");

/** The runner may come back and clean up behind itself, so only the faults are undone. */
async function undoFaults(file: string): Promise<void> {
  const failures = await undoOpenIntents(file, "watchdog", ({ deadManMs }) => deadManMs !== null);
  report(failures);
}

async function undoEverything(file: string): Promise<void> {
  for (const timer of timers) clearTimeout(timer);
  process.stdin.destroy();
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const failures = await undoOpenIntents(file, "watchdog");
    report(failures);
    if (failures.length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_TRIES_MS));
  }
}

function report(failures: readonly string[]): void {
  for (const failure of failures) process.stderr.write(`${failure}\n`);
}
