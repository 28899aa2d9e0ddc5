import assert from "node:assert/strict";
import { Value } from "typebox/value";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { WHOLE } from "#lib/divide-grants.ts";
import { hashApiKey } from "#lib/api-key.ts";
import type { RouteExplanation } from "#lib/contracts/api-status.ts";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import { entryKey } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { RouteEntries } from "#lib/route-table-state.ts";
import { noBytes } from "../../../../gateway/core/body-count.ts";
import { createDemandMeter } from "../../../../gateway/core/measure-demand.ts";
import { createArmCounters } from "../../../../gateway/core/count-arms.ts";
import { createCallMeter } from "../../../../gateway/core/measure-calls.ts";
import { createTenantLimits } from "../../../../gateway/core/tenant-limits.ts";
import { createRetryBudgets } from "../../../../gateway/core/retry-budget.ts";
import { parseAddress, parseNetwork } from "../../../../gateway/core/network-address.ts";
import { createGateway, type GatewayPorts } from "../../../../gateway/gateway.ts";
import type { Answer, Arrival } from "../../../../gateway/ports.ts";
import { type ClusterCase, COUNTRIES, type GeoCase, TRUSTED } from "./random-call.ts";

/** The gateway's whole pipeline with everything outside it played: what is asked of it is where calls go. */
export interface GatewayInMemory {
  readonly call: (given: GeoCase) => Promise<Went>;
  readonly explain: (given: GeoCase) => Promise<Explained>;
}

export interface Went {
  readonly status: number;
  readonly clusterId: string | null;
}

export interface Explained {
  readonly status: number;
  readonly chosen: string | null;
  readonly source: string | undefined;
}

const KEY = "mk_demo_key";
const LIMITS = { "requests-per-second": 1_000_000, burst: 1_000_000, concurrency: 1_000_000 };
const EMPTY = new Uint8Array();
const MANIFEST = Value.Parse(FunctionManifest, Value.Default(FunctionManifest, { name: "f" }));

export function gatewayInMemory(
  zones: readonly Zone[],
  gatewayZone: Zone,
  failover: "on" | "off",
): GatewayInMemory {
  let now: GeoCase | undefined;
  let nowMs = 0;
  let throws = 0;
  let sentTo: string | null = null;
  const cluster = (clusterId: string): ClusterCase => {
    const found = now?.clusters.find((one) => one.clusterId === clusterId);
    if (found === undefined) throw new Error(`nothing is known of ${clusterId}`);
    return found;
  };
  let entries: RouteEntries = new Map<string, RouteEntry>();
  const ports: GatewayPorts = {
    clock: { nowMs: () => nowMs, wallMs: () => nowMs, sleep: () => Promise.resolve() },
    random: { next: () => now?.chances[throws++ % 2] ?? 0 },
    requestIds: () => "request",
    traceIds: { traceId: () => "1".repeat(32), spanId: () => "1".repeat(16) },
    routing: {
      table: () => ({ position: { incarnation: "test", revision: 1 }, digest: "", entries }),
      ageMs: () => 0,
      confirmedAgeMs: () => (now?.isUnconfirmed === true ? 2_000 : 0),
      isOverlaid: (clusterId) => cluster(clusterId).isOverlaid,
    },
    limits: createTenantLimits(WHOLE, -1_000_000),
    demand: createDemandMeter(),
    meter: createCallMeter(0),
    arms: createArmCounters(),
    agents: {
      health: (clusterId) => ({
        ...cluster(clusterId),
        shortestMs: () => cluster(clusterId).roundTripMs,
      }),
      send: async (clusterId) => {
        sentTo ??= clusterId;
        return { kind: "answered", answer: { status: 200, headers: {}, body: EMPTY } };
      },
    },
    control: () => Promise.reject(new Error("nothing of the control plane is asked")),
    accounting: { record: () => undefined, unforeseen: (_id, error) => console.error(error) },
    onRetry: () => undefined,
    onHedge: () => undefined,
    circuits: {
      standing: (clusterId) => {
        const { openForMs } = cluster(clusterId);
        return openForMs === 0 ? { kind: "closed" } : { kind: "open", forMs: openForMs };
      },
      begin: () => 0,
      end: () => undefined,
      count: () => ({ kept: 0, open: 0 }),
    },
    rooms: {
      roomFor: (clusterId) =>
        cluster(clusterId).isFull ? { kind: "full", inFlight: 32, limit: 32 } : { kind: "room" },
      begin: () => () => undefined,
      state: (clusterId) => ({ inFlight: cluster(clusterId).inFlight, inFlightMax: 32 }),
    },
    budget: createRetryBudgets({ retriesMin: 10, retryPercent: 20, retriesMinOfAll: 10 }),
    state: () => {
      throw new Error("its state is not asked for");
    },
    passToGateway: () => Promise.reject(new Error("there is no other gateway")),
    notReady: () => null,
  };
  const handle = createGateway(ports, {
    securityMaxAgeMs: 1_000,
    zones,
    locating: {
      geography: {
        zones,
        gatewayZone,
        countryOf: (text) => COUNTRIES[parseAddress(canonical(text))?.text ?? ""],
      },
      trustedProxies: TRUSTED.flatMap((text) => parseNetwork(text) ?? []),
      edgeCountryHeaders: ["cf-ipcountry", "x-client-region"],
    },
    failover,
    tracedShare: 0,
    workers: 1,
  });
  const ask = (given: GeoCase, method: string, path: string, query: readonly string[]) => {
    if (now !== given) {
      now = given;
      // Beyond what is looked at once a second.
      nowMs += 1_500;
      entries = tableOf(given);
    }
    throws = 0;
    sentTo = null;
    const all = given.regionQuery === undefined ? query : [...query, `region=${given.regionQuery}`];
    const target = all.length === 0 ? path : `${path}?${all.join("&")}`;
    return handle(arrival(given, method, target, nowMs));
  };
  return {
    call: async (given) => {
      const { status } = await ask(given, "POST", "/v1/tenants/demo/functions/f:invoke", []);
      return { status, clusterId: sentTo };
    },
    explain: async (given) => {
      const answer = await ask(given, "GET", "/v1/route:explain", ["function=f", "tenant=demo"]);
      if (answer.status !== 200) return { status: answer.status, chosen: null, source: undefined };
      const { chosen, origin } = bodyOf(answer);
      return { status: 200, chosen, source: origin.source };
    },
  };
}

function bodyOf({ body }: Answer): RouteExplanation {
  assert(typeof body === "string");
  return JSON.parse(body) as RouteExplanation;
}

/** As the database behind it would: by value, however the address is written. */
const canonical = (text: string): string =>
  text.includes(":") ? new URL(`http://[${text}]`).hostname : text;

const arrival = (given: GeoCase, method: string, target: string, nowMs: number): Arrival => ({
  method,
  target,
  headers: { ...given.headers, authorization: `Bearer ${KEY}` },
  httpVersion: "1.1",
  scheme: "http",
  fault: undefined,
  hasBody: false,
  peer: given.peer,
  receivedAtMs: nowMs,
  bodyCount: noBytes(),
  readBody: () => Promise.resolve(EMPTY),
  streamBody: async function* () {},
  callerGone: new AbortController().signal,
  finished: Promise.resolve(),
});

function tableOf(given: GeoCase): RouteEntries {
  const { regions, ...placement } = given.placement;
  const home = given.homeRegion === undefined ? {} : { homeRegion: given.homeRegion };
  const all: readonly RouteEntry[] = [
    { kind: "tenant", tenant: "demo", limits: LIMITS, ...home },
    { kind: "key", keyHash: hashApiKey(KEY), tenant: "demo", roles: ["tenant-admin"] },
    ...given.clusters.flatMap(({ clusterId, state, mode, weightPercent }): RouteEntry[] =>
      state === "missing" ? [] : [{ kind: "cluster", clusterId, state, mode, weightPercent }],
    ),
    {
      kind: "plan",
      capacitySlots: {},
      demand: {},
      awaitsFailback: [...given.awaitsFailback],
      shifts: [],
    },
    {
      kind: "function",
      tenant: "demo",
      functionName: "f",
      aliases: { live: 1 },
      versions: [
        {
          version: 1,
          codeDigest: `sha256:${"0".repeat(64)}`,
          codeBytes: 1,
          manifest: {
            ...MANIFEST,
            placement: { regions: [...regions], tier: "normal", clustersMin: 1, ...placement },
          },
        },
      ],
    },
  ];
  return new Map(all.map((entry): [string, RouteEntry] => [entryKey(entry), entry]));
}
