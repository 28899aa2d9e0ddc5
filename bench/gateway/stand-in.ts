import { spawn } from "node:child_process";
import { join } from "node:path";
import { endChild, firstLine } from "../peers/child-server.ts";
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
  const argv = [script, JSON.stringify(plan)];
  const child = spawn(...pinned(core, process.execPath, argv), {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const urls: Pick<StandIn, "linkUrls" | "plainUrls"> = JSON.parse(await firstLine(child));
  return { pid: child.pid ?? 0, ...urls, stop: () => endChild(child) };
}
