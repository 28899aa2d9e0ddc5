import type { Host } from "../engine/host.ts";
import type { VirtualTime } from "../engine/virtual-time.ts";
import { startHost } from "../engine/host.ts";

/** A cluster as federators see it: it answers, refuses, or is silent. */
export interface SimulatedAgent {
  readonly clusterId: string;
  /** Undefined while no process runs. */
  readonly host: () => Host | undefined;
  /** `process`: the machine refuses its calls; `machine`: silence. */
  readonly kill: (what: "process" | "machine") => void;
  readonly start: () => void;
  /** How a ping finds it now; a frozen one answers when it thaws. */
  readonly ping: (answer: (outcome: "answered" | "refused") => void) => void;
  /** Since when it can answer nobody; undefined while it can. */
  readonly goneSinceMs: () => number | undefined;
}

export function simulateAgent(time: VirtualTime, clusterId: string): SimulatedAgent {
  let lives = 0;
  let host: Host | undefined;
  let isMachineGone = false;
  let goneSinceMs: number | undefined = 0;
  return {
    clusterId,
    host: () => host,
    goneSinceMs: () => goneSinceMs,
    start: () => {
      lives += 1;
      isMachineGone = false;
      goneSinceMs = undefined;
      host = startHost(time, `${clusterId}#${lives}`, 1);
    },
    kill: (what) => {
      host?.kill();
      host = undefined;
      isMachineGone = what === "machine";
      goneSinceMs ??= time.nowMs();
    },
    ping: (answer) => {
      if (host !== undefined) host.deliver(() => answer("answered"));
      else if (!isMachineGone) answer("refused");
    },
  };
}
