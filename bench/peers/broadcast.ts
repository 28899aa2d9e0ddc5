import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { endChild } from "./child-server.ts";

const PLAIN = join(import.meta.dirname, "broadcast-server.ts");
const OVERLAY = join(import.meta.dirname, "../feed/overlay-server.ts");

export interface Broadcast {
  readonly url: string;
  readonly pid: number;
  readonly send: (line: string) => void;
  readonly stop: () => Promise<void>;
}

export const startBroadcast = (): Promise<Broadcast> => start(PLAIN);

/** A federator's feed that sends overlays and nothing else. */
export const startOverlays = (): Promise<Broadcast> => start(OVERLAY);

async function start(program: string): Promise<Broadcast> {
  const child = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const port = Number((await lines.next()).value);
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    send: (line) => child.stdin.write(`${line}\n`),
    stop: () => endChild(child),
  };
}
