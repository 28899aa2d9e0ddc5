import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "#lib/io/free-ports.ts";
import type { PeerOptions, StartedPeer } from "./peer.ts";
import { isInstalled, runPeer } from "./run-peer.ts";

/** One haproxy thread with keep-alive on both sides, no log. */
export const startHaproxy = (options: PeerOptions): Promise<StartedPeer> =>
  runHaproxy(options, {
    serverLimitMs: 60_000,
    backend: `server one ${new URL(options.upstreamUrl).host}`,
  });

/** Tuned for the loss of a backend: checked each second, repeated on the second for failures and time-outs. */
export function startHaproxyFailover(
  upstreamUrls: readonly [string, string],
  options: Pick<PeerOptions, "folder" | "core">,
): Promise<StartedPeer> {
  const [active, standby] = upstreamUrls.map((url) => new URL(url).host);
  return runHaproxy(options, {
    serverLimitMs: 1_000,
    backend: `option redispatch 1
  retries 2
  retry-on conn-failure empty-response response-timeout
  default-server check inter 1s fall 3 rise 2
  server one ${active}
  server two ${standby} backup`,
  });
}

interface HaproxyParts {
  readonly serverLimitMs: number;
  readonly backend: string;
}

async function runHaproxy(
  { folder, core }: Pick<PeerOptions, "folder" | "core">,
  parts: HaproxyParts,
): Promise<StartedPeer> {
  if (!isInstalled("haproxy", "-v")) return { kind: "missing", reason: "haproxy is not installed" };
  const port = await freePorts(1);
  const configFile = join(folder, "haproxy.cfg");
  await writeFile(configFile, haproxyConfig(port, parts));
  return runPeer({ program: "haproxy", argv: ["-db", "-f", configFile], port, core });
}

const haproxyConfig = (port: number, { serverLimitMs, backend }: HaproxyParts): string => `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 1s
  timeout client 60s
  timeout server ${serverLimitMs}ms
  timeout check 1s
frontend door
  bind 127.0.0.1:${port}
  default_backend agent
backend agent
  ${backend}
`;
