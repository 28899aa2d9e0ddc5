import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "#lib/io/free-ports.ts";
import type { PeerOptions, StartedPeer } from "./peer.ts";
import { isInstalled, runPeer } from "./run-peer.ts";

const SOURCE = join(import.meta.dirname, "go-proxy");
const BUILD_LIMIT_MS = 180_000;
const MISSING: StartedPeer = { kind: "missing", reason: "Go is not installed" };

/** Go's own httputil.ReverseProxy, which OpenFaaS's gateway and Knative's activator are made of; built here from source. */
export async function startGoProxy({
  upstreamUrl,
  headers,
  folder,
  core,
}: PeerOptions): Promise<StartedPeer> {
  if (!isInstalled("go", "version")) return MISSING;
  const port = await freePorts(1);
  const argv = ["bare", `127.0.0.1:${port}`, upstreamUrl, JSON.stringify(headers)];
  return runPeer({ program: await build(folder), argv, port, core });
}

/** What a gateway knows, and one written around Go's reverse proxy must know to do the same. */
export interface GatewayLayers {
  readonly upstreams: readonly string[];
  readonly keys: readonly { readonly keyHash: string; readonly tenant: string }[];
  readonly tenants: readonly {
    readonly name: string;
    readonly rate: number;
    readonly burst: number;
  }[];
  readonly functions: readonly { readonly tenant: string; readonly name: string }[];
}

/** The same with API keys, limits, routes, the less busy of two, breakers, ids, metrics and an access log: see layers.go. */
export async function startGoLayers(
  layers: GatewayLayers,
  { folder, core }: Pick<PeerOptions, "folder" | "core">,
): Promise<StartedPeer> {
  if (!isInstalled("go", "version")) return MISSING;
  const port = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const configFile = join(folder, "go-layers.json");
  const accessLog = join(folder, "go-access.log");
  await writeFile(configFile, JSON.stringify({ ...layers, address, accessLog }));
  return runPeer({ program: await build(folder), argv: ["layers", configFile], port, core });
}

/** Go keeps what it compiled: only the first build ever takes long. */
async function build(folder: string): Promise<string> {
  const program = join(folder, "go-proxy");
  const options = { cwd: SOURCE, timeout: BUILD_LIMIT_MS };
  await promisify(execFile)("go", ["build", "-o", program, "."], options);
  return program;
}
