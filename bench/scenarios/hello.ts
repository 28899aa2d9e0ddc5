import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { startGoProxy } from "../peers/go-proxy.ts";
import { startNginx } from "../peers/nginx.ts";
import type { PeerOptions, RunningPeer } from "../peers/peer.ts";
import { type BenchRow, toRows } from "../rows.ts";
import { type RoundOptions, runRounds, type Variant } from "../run-rounds.ts";
import { type BenchFederation, startFederation } from "../start-federation.ts";

const EXAMPLE = join(import.meta.dirname, "../../examples/hello");
const ZONE = "eu-west";
const TENANT = "demo";
const FUNCTION = "bench-hello";
/** One instance that serves all connections at once: the way there is measured, not the starting of instances. */
const FUNCTION_CONCURRENCY = 64;
/** The largest limits there are, so that none is met. */
const LIMIT = "1000000";
const BODY = JSON.stringify({ name: "x".repeat(80) });
const PROXIES: ReadonlySet<string> = new Set(["gateway", "nginx", "go-reverse-proxy"]);

export interface ScenarioResult {
  readonly rows: readonly BenchRow[];
  readonly missingPeers: readonly { readonly peer: string; readonly reason: string }[];
}

/** A warm function through the gateway, straight at the agent, and through other proxies in front of that agent. */
export async function benchHello(options: RoundOptions): Promise<ScenarioResult> {
  options.tell("starting a federation");
  const federation = await startFederation();
  const folder = await mkdtemp(join(tmpdir(), "meridian-bench-peers-"));
  const peers: RunningPeer[] = [];
  try {
    await deployHello(federation);
    const agent = await federation.endpoint(ZONE, "agent");
    const upstreamUrl = `${agent.urls.internal}/invoke`;
    const headers = agentHeaders(federation.bootToken);
    const direct: Variant = {
      name: "agent",
      cpuOf: "agent",
      url: upstreamUrl,
      headers,
      body: BODY,
      pids: [agent.pid],
    };
    const variants = [await gatewayVariant(federation), direct];
    const missingPeers: { peer: string; reason: string }[] = [];
    for (const [name, start] of PEERS) {
      options.tell(`starting ${name}`);
      const started = await start({ upstreamUrl, headers, folder });
      if (started.kind === "missing") missingPeers.push({ peer: name, reason: started.reason });
      else {
        peers.push(started.peer);
        variants.push(peerVariant(name, started.peer));
      }
    }
    return { rows: toRows(await runRounds(variants, options), PROXIES), missingPeers };
  } finally {
    for (const peer of peers) await peer.stop();
    await federation.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

const PEERS: readonly [string, (options: PeerOptions) => ReturnType<typeof startNginx>][] = [
  ["nginx", startNginx],
  ["go-reverse-proxy", startGoProxy],
];

async function deployHello({ meridian, credentials }: BenchFederation): Promise<void> {
  for (const quota of ["rate", "burst"]) {
    const ask = ["quota", "request", quota, "--value", LIMIT, "--reason", "bench"];
    const asked = await meridian(...ask, "--tenant", TENANT, "--json");
    const { id } = JSON.parse(asked);
    await meridian("quota", "approve", id, "--key", credentials.operator.apiKey);
  }
  const flags = ["--tenant", TENANT, "--name", FUNCTION];
  await meridian("deploy", EXAMPLE, ...flags, "--concurrency", String(FUNCTION_CONCURRENCY));
}

async function gatewayVariant(federation: BenchFederation): Promise<Variant> {
  const { urls, pid } = await federation.endpoint(ZONE, "gateway");
  const apiKey = federation.credentials.tenants[TENANT]?.apiKey;
  return {
    name: "gateway",
    cpuOf: "gateway",
    url: `${urls.public}/v1/tenants/${TENANT}/functions/${FUNCTION}:invoke`,
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
    body: BODY,
    pids: [pid],
  };
}

function peerVariant(name: string, { url, pids }: RunningPeer): Variant {
  const headers = { "content-type": "application/json" };
  return { name, cpuOf: name, url, headers, body: BODY, pids };
}

/** What a gateway tells an agent of a call, but for the request id, which the load generator makes. */
function agentHeaders(bootToken: string): Readonly<Record<string, string>> {
  return {
    [INVOCATION_HEADERS.bootToken]: bootToken,
    [INVOCATION_HEADERS.tenant]: TENANT,
    [INVOCATION_HEADERS.functionName]: FUNCTION,
    [INVOCATION_HEADERS.version]: "1",
    [INVOCATION_HEADERS.door]: "invoke",
    [INVOCATION_HEADERS.deadlineMs]: "3000",
    [INVOCATION_HEADERS.attempt]: "1",
    "content-type": "application/json",
  };
}
