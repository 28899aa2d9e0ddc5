import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

const START_LIMIT_MS = 10_000;

/** Resolves once something accepts connections there; rejects when the child ends first. */
export async function accepts(child: ChildProcess, port: number): Promise<void> {
  const deadlineMs = performance.now() + START_LIMIT_MS;
  while (!(await isOpen(port))) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`it ended with ${child.exitCode ?? child.signalCode}`);
    if (performance.now() > deadlineMs)
      throw new Error(`it did not listen in ${START_LIMIT_MS} ms`);
    await delay(20);
  }
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** The first line that the child prints; rejects when it ends before. */
export async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error("nobody hears what it prints");
  const [line]: unknown[] = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    once(child, "exit"),
  ]);
  if (typeof line !== "string") throw new Error(`it ended with ${String(line)}`);
  return line;
}

export async function endChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}
