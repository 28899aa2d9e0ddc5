import { hashApiKey } from "#lib/api-key.ts";
import type { GatewayLayers } from "../peers/go-proxy.ts";
import { canPin } from "../processes.ts";
import type { BenchFolder } from "./bench-folder.ts";
import {
  type BenchFunction,
  functionName,
  HOME,
  LIMITS,
  routeEntries,
  STANDBY,
  tenantKey,
  tenantName,
  ZONES,
} from "./route-entries.ts";
import type { Way } from "./rounds.ts";
import { type BenchProgram, runProgram } from "./run-program.ts";
import type { StandIn } from "./stand-in.ts";

/* What all ways have in common: the calls, the functions, the limits, and where what runs. */

/** The proxy has a core to itself; the load and what stands behind the proxy share the other. */
export const PROXY_CORE = canPin() ? 0 : undefined;
export const LOAD_CORE = canPin() ? 1 : undefined;
/** Of each way, before anything is measured. */
export const WARMUP_REQUESTS = 20_000;
export const TENANTS = 20;
export const FUNCTIONS = 2_000;
export const BODY = JSON.stringify({ text: "x".repeat(89) });
export const ANSWER = JSON.stringify({ text: "y".repeat(89) });

/** Of every tenant's functions, the even ones may be repeated. */
const functions: readonly BenchFunction[] = Array.from({ length: FUNCTIONS }, (_, index) => ({
  tenant: tenantName(index % TENANTS),
  name: functionName(index),
  isIdempotent: Math.floor(index / TENANTS) % 2 === 0,
}));
/** The first tenant's first two. */
export const IDEMPOTENT = 0;
export const NOT_IDEMPOTENT = IDEMPOTENT + TENANTS;

/** The same request for every way, whoever reads what of it. */
export function callOf(base: string, index: number): Pick<Way, "url" | "headers"> {
  const { tenant = "", name = "" } = functions[index] ?? {};
  return {
    url: new URL(`/v1/tenants/${tenant}/functions/${name}:invoke`, base).href,
    headers: {
      authorization: `Bearer ${tenantKey(index % TENANTS)}`,
      "content-type": "application/json",
    },
  };
}

/** A gateway that serves from the table on its disk, there is no federator; configured as said besides. */
export async function startGateway(
  folder: BenchFolder,
  name: string,
  agentUrls: readonly string[],
  { pid }: StandIn,
  nodeFlags: readonly string[] = [],
  settings: object = {},
): Promise<BenchProgram> {
  const [home = "", standby = ""] = agentUrls;
  await folder.publishAgent(HOME.name, home, pid);
  await folder.publishAgent(STANDBY.name, standby, pid);
  const stateDirectory = await folder.stateWith(name, routeEntries(TENANTS, functions));
  const { runDirectory, bootTokenFile } = folder;
  return runProgram({
    program: "gateway",
    zone: HOME.name,
    runDirectory,
    stateDirectory,
    core: PROXY_CORE,
    nodeFlags,
    config: {
      zone: HOME.name,
      zones: ZONES,
      runDirectory,
      bootTokenFile,
      stateDirectory,
      publicPort: 0,
      sharedPort: 0,
      ...settings,
    },
  });
}

/** The same keys, limits and functions as stand in the gateway's table. */
export const layersOver = (upstreams: readonly string[]): GatewayLayers => ({
  upstreams,
  keys: Array.from({ length: TENANTS }, (_, index) => ({
    keyHash: hashApiKey(tenantKey(index)),
    tenant: tenantName(index),
  })),
  tenants: Array.from({ length: TENANTS }, (_, index) => ({
    name: tenantName(index),
    rate: LIMITS["requests-per-second"],
    burst: LIMITS.burst,
  })),
  functions: functions.map(({ tenant, name }) => ({ tenant, name })),
});
