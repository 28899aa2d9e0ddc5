import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { endChild } from "../peers/child-server.ts";
import { pinned } from "../processes.ts";

/** What stands behind the proxies. */
export interface StandIn {
  readonly pid: number;
  /** Of two agents that speak the link. */
  readonly linkUrls: readonly string[];
  /** Of two plain HTTP servers. */
  readonly plainUrls: readonly string[];
  readonly stop: () => Promise<void>;
}

export interface StandInOptions {
  readonly bootToken: string;
  /** What every call is answered with. */
  readonly answer: string;
  /** Of the body of every call. */
  readonly requestBytes: number;
  readonly core: number | undefined;
}

export async function startStandIn({ core, ...plan }: StandInOptions): Promise<StandIn> {
  const script = join(import.meta.dirname, "stand-in-process.ts");
  const child = spawn(...pinned(core, process.execPath, [script]), {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(JSON.stringify(plan));
  const said = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    once(child, "exit"),
  ]);
  if (child.pid === undefined || child.exitCode !== null)
    throw new Error("the stand-in agent did not start");
  const urls: Pick<StandIn, "linkUrls" | "plainUrls"> = JSON.parse(String(said[0]));
  return { pid: child.pid, ...urls, stop: () => endChild(child) };
}
