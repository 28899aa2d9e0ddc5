import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ReceivePlan, ReceiveResult, Stamps } from "./receive-plan.ts";

const RECEIVERS = join(import.meta.dirname, "receive-feed.ts");
const LIMIT_MS = 120_000;

export interface RunningReceivers {
  /** Ends them; judges what they got by when it was sent. */
  readonly finish: (stamps: Stamps) => Promise<ReceiveResult>;
}

/** Resolves when all receivers have heard something. */
export async function startReceivers(plan: ReceivePlan): Promise<RunningReceivers> {
  const child = spawn(process.execPath, [RECEIVERS], {
    stdio: ["pipe", "pipe", "inherit"],
    timeout: LIMIT_MS,
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.stdin.write(`${JSON.stringify(plan)}\n`);
  if ((await lines.next()).value !== "ready") throw new Error("the receivers did not start");
  return {
    finish: async (stamps) => {
      child.stdin.write(`${JSON.stringify(stamps)}\n`);
      const result: ReceiveResult = JSON.parse(String((await lines.next()).value));
      child.stdin.end();
      if (child.exitCode === null) await once(child, "exit");
      return result;
    },
  };
}
