import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pinned } from "../processes.ts";
import type { ClosedLoopPlan, ClosedLoopResult, DrivenCall, OpenLoopPlan } from "./plan.ts";

const MARGIN_SECONDS = 60;

export const runClosedLoop = (plan: ClosedLoopPlan, core?: number): Promise<ClosedLoopResult> =>
  run<ClosedLoopResult>("closed-loop-process.ts", plan, core);

export const runOpenLoop = (plan: OpenLoopPlan, core?: number): Promise<readonly DrivenCall[]> =>
  run<readonly DrivenCall[]>("open-loop-process.ts", plan, core);

async function run<Result>(
  program: string,
  plan: ClosedLoopPlan | OpenLoopPlan,
  core: number | undefined,
): Promise<Result> {
  const script = join(import.meta.dirname, program);
  const generator = spawn(...pinned(core, process.execPath, [script]), {
    stdio: ["pipe", "pipe", "inherit"],
    timeout: (plan.seconds + MARGIN_SECONDS) * 1_000,
  });
  generator.stdin.end(JSON.stringify(plan));
  const ended = once(generator, "close");
  const printed = await text(generator.stdout);
  await ended;
  if (generator.exitCode !== 0) throw new Error("the load generator broke off");
  const result: Result = JSON.parse(printed);
  return result;
}
