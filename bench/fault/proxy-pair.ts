import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeBenchFolder } from "../gateway/bench-folder.ts";
import { endChild, firstLine } from "../peers/child-server.ts";
import type { PeerOptions, StartedPeer } from "../peers/peer.ts";
import { type Pair, readLedger } from "./pair.ts";

const BACKEND = join(import.meta.dirname, "counting-backend-process.ts");

/** Starts a proxy in front of an active backend and its standby. */
export type StartFailover = (
  upstreamUrls: readonly [active: string, standby: string],
  options: Pick<PeerOptions, "folder" | "core">,
) => Promise<StartedPeer>;

/** A proxy that is tuned for the loss of a backend, in front of two plain HTTP servers; or why there is none. */
export async function startProxyPair(
  startFailover: StartFailover,
): Promise<Pair | { readonly missing: string }> {
  await using opened = new AsyncDisposableStack();
  const folder = await makeBenchFolder();
  opened.defer(folder.remove);
  const ledger = join(folder.path, "ledger.jsonl");
  await writeFile(ledger, "");
  const start = async () => {
    const child = spawn(process.execPath, [BACKEND, ledger], {
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    opened.defer(() => endChild(child));
    return { pid: child.pid ?? 0, url: await firstLine(child) };
  };
  const active = await start();
  const standby = await start();
  const started = await startFailover([active.url, standby.url], { folder: folder.path });
  if (started.kind === "missing") return { missing: started.reason };
  opened.defer(started.peer.stop);
  const running = opened.move();
  return {
    url: started.peer.url,
    headers: { "content-type": "application/json" },
    activePids: () => [active.pid],
    startedIds: () => readLedger(ledger),
    stop: () => running.disposeAsync(),
  };
}
