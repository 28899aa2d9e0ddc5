import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { makeBenchFolder } from "../gateway/bench-folder.ts";
import { profileGateway } from "../gateway/profile.ts";
import { gatewayTables, toGatewayRows } from "../gateway/rows.ts";
import { runRounds, type Way } from "../gateway/rounds.ts";
import type { BenchProgram } from "../gateway/run-program.ts";
import {
  ANSWER,
  BODY,
  callOf,
  FUNCTIONS,
  IDEMPOTENT,
  layersOver,
  LOAD_CORE,
  NOT_IDEMPOTENT,
  PROXY_CORE,
  startGateway,
  TENANTS,
  WARMUP_REQUESTS,
} from "../gateway/setting.ts";
import { type StandIn, startStandIn } from "../gateway/stand-in.ts";
import { startEnvoy } from "../peers/envoy.ts";
import { startGoLayers, startGoProxy } from "../peers/go-proxy.ts";
import { startHaproxy } from "../peers/haproxy.ts";
import { startNginx, startNginxLayers } from "../peers/nginx.ts";
import type { PeerOptions, StartedPeer } from "../peers/peer.ts";
import type { BenchReport } from "../report.ts";

export interface GatewayBenchOptions {
  readonly rounds: number;
  readonly secondsPerRound: number;
  readonly connections: number;
  readonly tell: (what: string) => void;
  /** Where a profile of the gateway is written; the other proxies are left out then. */
  readonly profileFolder: string | undefined;
}

const STEADY_PER_SECOND = 2_000;
const COMPARED = { nginx: "nginx with layers", go: "Go with layers" };

/** What a request costs a gateway with all its layers, beside other proxies bare and with layers, in front of the same answer. */
export async function benchGateway(options: GatewayBenchOptions): Promise<BenchReport> {
  await using opened = new AsyncDisposableStack();
  const folder = await makeBenchFolder();
  opened.defer(folder.remove);
  const standIn = await startStandIn({
    bootToken: folder.bootToken,
    answer: ANSWER,
    requestBytes: Buffer.byteLength(BODY),
    core: LOAD_CORE,
  });
  opened.defer(standIn.stop);
  if (options.profileFolder !== undefined)
    return await profileGateway(folder, standIn, options, options.profileFolder);

  const keep = (program: BenchProgram): BenchProgram => {
    opened.defer(program.stop);
    return program;
  };
  const missing: string[] = [];
  const ways: Way[] = [direct(standIn)];
  const linked = keep(await startGateway(folder, "linked", standIn.linkUrls, standIn));
  ways.push(gatewayWay("gateway", linked, NOT_IDEMPOTENT));
  ways.push(gatewayWay("gateway, idempotent function", linked, IDEMPOTENT));
  const settings = { worker: 2, fastLane: "on" };
  const quicker = await startGateway(folder, "quicker", standIn.linkUrls, standIn, [], settings);
  ways.push(gatewayWay("gateway, fast lane on", keep(quicker), NOT_IDEMPOTENT));
  ways.push(gatewayWay("gateway, fast lane on, idempotent function", quicker, IDEMPOTENT));
  const plainFolder = await makeBenchFolder();
  opened.defer(plainFolder.remove);
  const plain = keep(await startGateway(plainFolder, "plain", standIn.plainUrls, standIn));
  ways.push(gatewayWay("gateway over plain HTTP", plain, NOT_IDEMPOTENT));
  for (const [name, start] of peersOf(standIn)) {
    options.tell(`starting ${name}`);
    const peerFolder = join(folder.path, "peers", name.replaceAll(" ", "-"));
    await mkdir(peerFolder, { recursive: true });
    const upstreamUrl = standIn.plainUrls[0] ?? "";
    const started = await start({ upstreamUrl, headers: {}, folder: peerFolder, core: PROXY_CORE });
    if (started.kind === "missing") {
      missing.push(`without ${name}: ${started.reason}`);
      continue;
    }
    opened.defer(started.peer.stop);
    ways.push({ name, ...callOf(started.peer.url, NOT_IDEMPOTENT), pids: started.peer.pids });
  }

  const results = await runRounds(ways, {
    ...options,
    body: BODY,
    warmupRequests: WARMUP_REQUESTS,
    steadyPerSecond: STEADY_PER_SECOND,
    core: LOAD_CORE,
  });
  const rows = toGatewayRows(results, COMPARED);
  const slip = Math.max(...rows.map(({ slipP99Micros }) => slipP99Micros));
  return {
    tables: gatewayTables(rows, COMPARED, STEADY_PER_SECOND),
    notes: [
      ...missing,
      `medians of ${options.rounds} interleaved rounds of ${options.secondsPerRound} s after ${WARMUP_REQUESTS} requests each, ${options.connections} connections, POST of ${BODY.length} bytes answered with ${ANSWER.length}, ${FUNCTIONS} functions of ${TENANTS} tenants`,
      PROXY_CORE === undefined
        ? "nothing is pinned to a core here: the figures move with whatever else runs"
        : `every proxy alone on core ${PROXY_CORE}, load and what is behind the proxies on core ${LOAD_CORE}; busy: the proxy's share of its core`,
      `at ${STEADY_PER_SECOND} requests/s the load was sent up to ${slip} µs late (p99)`,
    ],
    result: { ...options, compared: COMPARED, rows, missing },
  };
}

function peersOf(standIn: StandIn): [string, (options: PeerOptions) => Promise<StartedPeer>][] {
  return [
    ["nginx", startNginx],
    [COMPARED.nginx, startNginxLayers],
    ["haproxy", startHaproxy],
    ["Envoy", startEnvoy],
    ["Go ReverseProxy", startGoProxy],
    [COMPARED.go, (options) => startGoLayers(layersOver(standIn.plainUrls), options)],
  ];
}

const direct = ({ plainUrls }: StandIn): Way => ({
  name: "straight at the answer",
  ...callOf(plainUrls[0] ?? "", NOT_IDEMPOTENT),
  pids: [],
});

const gatewayWay = (name: string, { endpoint, pid }: BenchProgram, index: number): Way => ({
  name,
  ...callOf(endpoint.urls.public ?? "", index),
  pids: [pid],
});
