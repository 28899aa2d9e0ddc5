import { execFile, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "#lib/io/free-ports.ts";
import { accepts, endChild } from "./child-server.ts";
import type { PeerOptions, StartedPeer } from "./peer.ts";

const SOURCE = join(import.meta.dirname, "go-proxy");
const BUILD_LIMIT_MS = 180_000;

/** Go's own httputil.ReverseProxy, which OpenFaaS's gateway and Knative's activator are made of; built here from source. */
export async function startGoProxy({
  upstreamUrl,
  headers,
  folder,
}: PeerOptions): Promise<StartedPeer> {
  if (spawnSync("go", ["version"]).status !== 0)
    return { kind: "missing", reason: "Go is not installed" };

  const program = join(folder, "go-proxy");
  await promisify(execFile)("go", ["build", "-o", program, "."], {
    cwd: SOURCE,
    timeout: BUILD_LIMIT_MS,
  });
  const port = await freePorts(1);
  const child = spawn(program, [`127.0.0.1:${port}`, upstreamUrl, JSON.stringify(headers)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  try {
    await accepts(child, port);
  } catch (cause) {
    await endChild(child);
    return { kind: "missing", reason: `the Go proxy did not start: ${String(cause)}` };
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
