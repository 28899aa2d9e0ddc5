import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "#lib/io/free-ports.ts";
import type { PeerOptions, StartedPeer } from "./peer.ts";
import { isInstalled, runPeer } from "./run-peer.ts";

/** One haproxy thread with keep-alive on both sides, no log. */
export async function startHaproxy({
  upstreamUrl,
  folder,
  core,
}: PeerOptions): Promise<StartedPeer> {
  if (!isInstalled("haproxy", "-v")) return { kind: "missing", reason: "haproxy is not installed" };
  const port = await freePorts(1);
  const configFile = join(folder, "haproxy.cfg");
  await writeFile(configFile, haproxyConfig(port, new URL(upstreamUrl).host));
  return runPeer({ program: "haproxy", argv: ["-db", "-f", configFile], port, core });
}

const haproxyConfig = (port: number, upstream: string): string => `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 1s
  timeout client 60s
  timeout server 60s
frontend door
  bind 127.0.0.1:${port}
  default_backend agent
backend agent
  server one ${upstream}
`;
