import { fork } from "node:child_process";
import { COMPILE_CACHE } from "../../cli/compile-cache.ts";
import type { SeedResult } from "./run-seed.ts";
import type { WorldSettings } from "./world/settings.ts";

/** A larger nursery: nearly everything a world makes is soon forgotten. */
const EXEC_ARGUMENTS = ["--max-semi-space-size=64", "--stack-trace-limit=0"];

export interface RunSeedsOptions {
  readonly processes: number;
  /** One of `planted/planted-bugs.ts`, for all of them. */
  readonly plantedBug?: string;
}

/** All of them, shared among so many processes; `onResult` hears each as it is done. */
export async function runSeeds(
  worlds: Iterable<WorldSettings>,
  options: RunSeedsOptions,
  onResult: (result: SeedResult) => void,
): Promise<void> {
  const waiting = Iterator.from(worlds);
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = startProcess(options);
      const next = (): void => {
        const { value, done } = waiting.next();
        if (done === true) child.disconnect();
        else child.send(value);
      };
      child.on("message", (result: SeedResult) => {
        onResult(result);
        next();
      });
      child.on("error", reject);
      child.on("exit", (code) => {
        if (code === 0) resolve();
        else reject(new Error(`a process of the simulation ended with ${code}`));
      });
      next();
    });
  await Promise.all(Array.from({ length: options.processes }, work));
}

/** To load all the production code takes as long as a world, unless it was loaded before. */
const ENVIRONMENT = { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE };

function startProcess({ plantedBug }: RunSeedsOptions) {
  const program = new URL("./simulate-process.ts", import.meta.url);
  if (plantedBug === undefined)
    return fork(program, { execArgv: EXEC_ARGUMENTS, env: ENVIRONMENT });
  const hook = new URL("./planted/plant-bug.ts", import.meta.url).href;
  return fork(program, {
    execArgv: [...EXEC_ARGUMENTS, "--import", hook],
    env: { ...ENVIRONMENT, MERIDIAN_PLANTED_BUG: plantedBug },
  });
}
