import { appendFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/*
 * A zone of the fake federation: gateway, cluster and function in one process. It routes to the zone of the caller and goes
 * elsewhere when that one refuses. Started by `up.ts` with its settings as the only argument.
 */
export interface ZoneSettings {
  readonly zone: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly sharedPort: number;
  readonly stateDirectory: string;
  readonly failover: boolean;
  /** A planted mistake that the drill has to find. */
  readonly bug: string;
}

interface DeployedFunction {
  readonly idempotent: boolean;
  readonly environment: Readonly<Record<string, string>>;
}

const settings = JSON.parse(process.argv[2] ?? "{}") as ZoneSettings;
const { zone, ports, stateDirectory } = settings;
const functionsFile = join(stateDirectory, "functions.json");
const dead = new Set<string>();

process.on("disconnect", () => process.exit(0));
for (const options of [
  { port: ports[zone] ?? 0, host: "127.0.0.1" },
  { port: settings.sharedPort, host: "127.0.0.1", reusePort: true },
])
  createServer((incoming, response) => void answer(incoming, response)).listen(options);
setInterval(() => void probePeers(), 100);

async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(incoming);
  const url = incoming.url ?? "";
  const functionName = /functions\/([^/:]+)/.exec(url)?.[1] ?? "";
  if (url === "/readyz") return send(response, 200, {});
  if (url.startsWith("/internal/run/")) return run(response, url.slice(14), body, 1);
  if (url.endsWith(":invoke"))
    return invoke(response, functionName, String(incoming.headers["meridian-region"]), body);
  if (url === "/v1/status") return send(response, 200, status());
  if (url === "/v1/tenants")
    return send(response, 200, { items: [{ name: "idle" }], next: "idle" });
  if (url === "/v1/tenants?cursor=idle")
    return send(response, 200, { items: [{ name: "demo" }], next: null });
  if (incoming.method === "GET") {
    const names = url === "/v1/tenants/demo/functions" ? Object.keys(functions()) : [];
    return send(response, 200, { items: names.map((name) => ({ name })), next: null });
  }
  if (incoming.method === "PUT")
    return send(response, 201, { digest: url.split("/").at(-1), bytes: 1, files: 1, receipt: "r" });
  if (incoming.method === "DELETE") return remove(response, functionName);
  return deploy(response, functionName, body);
}

async function invoke(
  response: ServerResponse,
  functionName: string,
  callerZone: string,
  body: string,
): Promise<void> {
  const others = Object.keys(ports).filter((name) => name !== callerZone);
  const order = [callerZone, ...others].filter((name) => !settings.failover || !dead.has(name));
  const tries = settings.failover ? order : order.slice(0, 1);
  for (const [index, target] of tries.entries()) {
    if (target === zone) return run(response, functionName, body, index + 1);
    const answered = await forward(response, target, functionName, body, index + 1);
    if (answered) return undefined;
  }
  return send(response, 503, { code: "MERIDIAN_NO_CLUSTER" });
}

function forward(
  response: ServerResponse,
  target: string,
  functionName: string,
  body: string,
  attempts: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const path = `/internal/run/${functionName}`;
    request(
      { port: ports[target], host: "127.0.0.1", path, method: "POST", agent: false },
      (answered) => {
        response.writeHead(200, { "meridian-zone": target, "meridian-attempts": attempts });
        answered.pipe(response);
        resolve(true);
      },
    )
      .on("error", () => {
        if (settings.failover) dead.add(target);
        if (!response.headersSent) resolve(false);
      })
      .end(body);
  });
}

function run(response: ServerResponse, functionName: string, body: string, attempts: number): void {
  const deployed = functions()[functionName];
  if (deployed === undefined) return send(response, 404, { code: "MERIDIAN_FUNCTION_NOT_FOUND" });
  const { id } = JSON.parse(body) as { id: string };
  const isChosen = (number: number, bug: string) =>
    settings.bug.includes(bug) && id.endsWith(`-${number}`) && !id.includes("-warm-");
  const line = `${JSON.stringify({ id, pid: process.pid, atMs: Date.now() })}\n`;
  if (!isChosen(30, "answers-without-running"))
    appendFileSync(
      deployed.environment["DRILL_LEDGER_FILE"] ?? "",
      line.repeat(isChosen(20, "runs-twice") ? 2 : 1),
    );
  return send(response, 200, { id }, { "meridian-zone": zone, "meridian-attempts": attempts });
}

function deploy(response: ServerResponse, functionName: string, body: string): void {
  const { manifest, codeDigest } = JSON.parse(body) as {
    manifest: DeployedFunction;
    codeDigest: string;
  };
  writeFunctions({ ...functions(), [functionName]: manifest });
  send(response, 201, {
    version: {
      tenant: "demo",
      functionName,
      version: 1,
      codeDigest,
      codeBytes: 1,
      manifest,
      createdAtMs: 0,
    },
    alias: { tenant: "demo", functionName, alias: "live", version: 1, updatedAtMs: 0 },
    codeZones: Object.keys(ports),
    revision: 1,
    gateways: { ready: Object.keys(ports), waiting: [] },
  });
}

function remove(response: ServerResponse, functionName: string): void {
  const { [functionName]: _removed, ...rest } = functions();
  writeFunctions(rest);
  response.writeHead(204).end();
}

function status(): object {
  const zones = Object.keys(ports).map((name) => ({
    zone: name,
    region: name,
    clusterId: `${name}-1`,
    isReachable: !dead.has(name),
    cluster: {
      clusterId: `${name}-1`,
      zone: name,
      state: dead.has(name) ? "down" : "up",
      weightPercent: dead.has(name) ? 0 : 100,
      evidence: [],
      decidedAtMs: null,
    },
    position: null,
    replicaAgeMs: null,
    receivers: [],
    instances: [],
  }));
  return { leader: zone, witness: "present", catalog: "reachable", zones, silentZones: [] };
}

async function probePeers(): Promise<void> {
  for (const [name, port] of Object.entries(ports)) {
    const isWell = await new Promise<boolean>((resolve) => {
      request({ port, host: "127.0.0.1", path: "/readyz", agent: false }, (answered) => {
        answered.resume();
        resolve(true);
      })
        .on("error", () => resolve(false))
        .end();
    });
    if (isWell) dead.delete(name);
    else if (settings.failover) dead.add(name);
  }
}

function functions(): Record<string, DeployedFunction> {
  try {
    return JSON.parse(readFileSync(functionsFile, "utf8")) as Record<string, DeployedFunction>;
  } catch {
    return {};
  }
}

function writeFunctions(all: object): void {
  // One line, written whole: a reader in another process sees it before or after.
  writeFileSync(`${functionsFile}.${process.pid}`, JSON.stringify(all));
  renameSync(`${functionsFile}.${process.pid}`, functionsFile);
}

function send(
  response: ServerResponse,
  statusCode: number,
  body: object,
  headers: Record<string, string | number> = {},
): void {
  const type = statusCode < 400 ? "application/json" : "application/problem+json";
  response.writeHead(statusCode, { "content-type": type, ...headers });
  response.end(JSON.stringify(body));
}
