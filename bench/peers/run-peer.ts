import { spawn, spawnSync } from "node:child_process";
import { pinned } from "../processes.ts";
import { accepts, endChild } from "./child-server.ts";
import type { StartedPeer } from "./peer.ts";

export interface PeerCommand {
  readonly program: string;
  readonly argv: readonly string[];
  readonly port: number;
  readonly core: number | undefined;
}

/** Runs a proxy that is one process, and waits until it listens. */
export async function runPeer({ program, argv, port, core }: PeerCommand): Promise<StartedPeer> {
  const child = spawn(...pinned(core, program, argv), { stdio: ["ignore", "ignore", "inherit"] });
  try {
    await accepts(child, port);
  } catch (cause) {
    await endChild(child);
    return { kind: "missing", reason: `${program} did not start: ${String(cause)}` };
  }
  return {
    kind: "running",
    peer: {
      url: `http://127.0.0.1:${port}/`,
      pids: child.pid === undefined ? [] : [child.pid],
      stop: () => endChild(child),
    },
  };
}

/** Whether the program is on the path, as asking for its version tells. */
export const isInstalled = (program: string, versionFlag: string): boolean =>
  spawnSync(program, [versionFlag]).status === 0;
