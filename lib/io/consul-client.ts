import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Duplex } from "node:stream";
import Consul from "consul";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import type { ConsulDiscovery } from "#lib/contracts/discovery-config.ts";
import { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import type { ListedEndpoint } from "#lib/merge-endpoints.ts";

const PROGRAMS = ["catalog", "federator", "gateway", "agent"] as const;
/** Bytes that one answer may have, and endpoints that are read from it: far more than a federation has. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const ENDPOINTS_MAX = 2_000;
/** Consul looks at `/healthz` this often, and forgets a program that failed for so long: a minute is its least. */
const CHECK_INTERVAL = "2s";
const CHECK_TIMEOUT = "1s";
const FORGOTTEN_AFTER = "10m";

/** What this machine's Consul agent is asked. Every call ends within the configured time; failures are thrown as they come. */
export interface ConsulClient {
  /** All programs that Consul knows and that are described as they should be. */
  readonly list: () => Promise<readonly ListedEndpoint[]>;
  readonly isRegistered: (endpoint: RunEndpoint) => Promise<boolean>;
  readonly register: (endpoint: RunEndpoint) => Promise<void>;
  readonly deregister: (endpoint: RunEndpoint) => Promise<void>;
  readonly close: () => void;
}

export function consulClient(config: ConsulDiscovery, token: string | undefined): ConsulClient {
  const { address, datacenter, timeoutMs } = config;
  const { protocol, hostname, port } = new URL(address);
  const isSecure = protocol === "https:";
  const agent = boundedAgent(isSecure);
  const consul = new Consul({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port) || (isSecure ? 443 : 80),
    secure: isSecure,
    agent,
    defaults: {
      ...(token === undefined ? {} : { token }),
      ...(datacenter === undefined ? {} : { dc: datacenter }),
    },
  });
  // The types of the package leave out the time limit that each of its calls takes.
  const bounded = <T extends object>(options: T): T => ({ ...options, timeout: timeoutMs });
  return {
    list: async () => {
      const answers = await Promise.all(
        // Stale: any server may answer, as an address that is a moment old is still an address.
        PROGRAMS.map((program) =>
          consul.health.service(bounded({ service: serviceOf(program), stale: true })),
        ),
      );
      return answers.flatMap(readServices);
    },
    isRegistered: async (endpoint) => {
      const services: unknown = await consul.agent.service.list(bounded({}));
      return typeof services === "object" && services !== null && idOf(endpoint) in services;
    },
    register: async (endpoint) => {
      await consul.agent.service.register(bounded(registrationOf(endpoint)));
    },
    deregister: async (endpoint) => {
      await consul.agent.service.deregister(bounded({ id: idOf(endpoint) }));
    },
    close: () => agent.destroy(),
  };
}

const serviceOf = (program: RunEndpoint["program"]): string => `meridian-${program}`;
const idOf = ({ program, zone, bootId }: RunEndpoint): string =>
  [serviceOf(program), zone ?? "all", bootId].join("-");

function registrationOf(endpoint: RunEndpoint) {
  const { program, zone, urls } = endpoint;
  const admin = new URL(urls.admin);
  return {
    name: serviceOf(program),
    id: idOf(endpoint),
    address: admin.hostname,
    port: Number(admin.port),
    tags: zone === null ? [] : [zone],
    meta: { endpoint: JSON.stringify(endpoint) },
    check: {
      name: "healthz",
      // Until Consul looked for itself: who announces itself is there.
      status: "passing",
      http: new URL("/healthz", admin).href,
      interval: CHECK_INTERVAL,
      timeout: CHECK_TIMEOUT,
      deregistercriticalserviceafter: FORGOTTEN_AFTER,
    },
  };
}

const HealthEntry = Type.Object({
  Service: Type.Object({
    Meta: Type.Object({ endpoint: Type.String({ maxLength: 4_096 }) }),
    CreateIndex: Type.Number(),
  }),
  Checks: Type.Array(Type.Object({ Status: Type.String() }), { maxItems: 100 }),
});

/** What does not describe a program of ours is left out; an answer without anything that does is none. */
function readServices(answer: unknown): readonly ListedEndpoint[] {
  if (!Array.isArray(answer)) throw new Error("Consul answered something that is no list");
  const readable = answer
    .slice(0, ENDPOINTS_MAX)
    .filter((entry): entry is Static<typeof HealthEntry> => Value.Check(HealthEntry, entry))
    .flatMap(({ Service: { Meta: meta, CreateIndex: registeredAt }, Checks: checks }) => {
      const endpoint = readEndpoint(meta.endpoint);
      const isPassing = checks.every(({ Status: status }) => status === "passing");
      return endpoint === undefined ? [] : [{ endpoint, isPassing, registeredAt }];
    });
  if (answer.length > 0 && readable.length === 0)
    throw new Error(`none of the ${answer.length} entries in Consul's answer is a program`);
  return readable;
}

function readEndpoint(text: string): RunEndpoint | undefined {
  try {
    const candidate: unknown = JSON.parse(text);
    if (!Value.Check(RunEndpoint, candidate)) return undefined;
    const areUrls = Object.values(candidate.urls).every((url) => URL.canParse(url));
    return areUrls ? candidate : undefined;
  } catch {
    return undefined;
  }
}

/** One connection for each call, cut off when its answer is larger than any honest one. */
function boundedAgent(isSecure: boolean): HttpAgent {
  const Agent = isSecure ? HttpsAgent : HttpAgent;
  const agent = new Agent({ keepAlive: false });
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => cutOff(connect(options, callback));
  return agent;
}

function cutOff<T extends Duplex | null | undefined>(socket: T): T {
  let bytes = 0;
  socket?.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) socket.destroy(new Error("Consul's answer is too large"));
  });
  return socket;
}
