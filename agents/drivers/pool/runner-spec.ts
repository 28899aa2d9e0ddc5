import type { PoolClass } from "../../core/pool/pool-class.ts";
import type { InstanceSpec } from "../driver.ts";

/** Of a runner's memory, most is shared with other processes: https://www.kernel.org/doc/html/latest/filesystems/proc.html, Pss. */
const RUNNER_MEGABYTES = 12;

/** The classes that most functions are of: Lambda's own defaults. */
const USUAL: readonly PoolClass[] = [
  { runtime: "node", memoryMegabytes: 128, network: "outbound" },
  { runtime: "python", memoryMegabytes: 128, network: "outbound" },
];

/** How many runners may wait in so much memory, and which classes have one from the beginning. */
export function poolLimits(poolMegabytesMax: number): {
  readonly runnersMax: number;
  readonly always: readonly PoolClass[];
} {
  const runnersMax = Math.floor(poolMegabytesMax / RUNNER_MEGABYTES);
  return { runnersMax, always: USUAL.slice(0, runnersMax) };
}

/** As if it were an instance of a function that nobody has: a runner is started on the same path as what calls wait for. */
export const runnerSpec = (of: PoolClass, codeDirectory: string): InstanceSpec => ({
  ...of,
  tenant: "",
  functionName: "",
  version: 0,
  handler: "",
  codeDirectory,
  concurrency: 1,
  environment: {},
  initTimeoutMs: 0,
});
