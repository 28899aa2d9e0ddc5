import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { LoadPlan, LoadResult } from "./load-plan.ts";

const GENERATOR = join(import.meta.dirname, "load.ts");

/** Runs the plan in a process of its own. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const generator = spawn(process.execPath, [GENERATOR], {
    stdio: ["pipe", "pipe", "inherit"],
    timeout: (plan.seconds + 30) * 1_000,
  });
  generator.stdin.end(JSON.stringify(plan));
  const ended = once(generator, "close");
  const printed = await text(generator.stdout);
  await ended;
  if (generator.exitCode !== 0) throw new Error("the load generator broke off");
  const result: LoadResult = JSON.parse(printed);
  return result;
}
