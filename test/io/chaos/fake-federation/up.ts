import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { identifyProcess } from "#lib/io/process-identity.ts";
import type { ZoneSettings } from "./zone.ts";

/* As much of `meridian up` as a drill sees: three zones as processes, the state folder's files, and the socket. */
const { values } = parseArgs({
  options: {
    state: { type: "string" },
    port: { type: "string" },
    json: { type: "boolean" },
    without: { type: "string" },
  },
});
const stateDirectory = values.state ?? "";
const sharedPort = Number(values.port);
const names = ["ap-south", "eu-west", "us-east"];
const ports = Object.fromEntries(names.map((name, index) => [name, sharedPort + 1 + index]));
const children = new Map<string, ChildProcess>();
const runDirectory = join(stateDirectory, "run");
const socketPath = join(runDirectory, "up.sock");
const pidsOf = (zone: string): number[] =>
  [children.get(zone)?.pid].filter((pid) => pid !== undefined);

// However this process ends, its children see their channel close and end too.
mkdirSync(runDirectory, { recursive: true });
for (const name of names) await start(name);
createServer((request, response) => {
  const [, zone = "", action = ""] = /^\/zones\/([a-z-]+):(\w+)$/.exec(request.url ?? "") ?? [];
  const acting =
    request.url === "/status" ? Promise.resolve(status()) : act(zone, action === "start");
  void acting.then((answer) => response.end(JSON.stringify(answer)));
}).listen(socketPath);
replace(join(runDirectory, "up.json"), { pid: process.pid, endpoint: "", socketPath });

process.on("SIGTERM", () => {
  for (const child of children.values()) child.kill("SIGKILL");
  process.exit(0);
});

async function act(zone: string, isStart: boolean): Promise<object> {
  if (isStart) await start(zone);
  else await kill(zone);
  return { zone, state: isStart ? "running" : "stopped" };
}

async function start(zone: string): Promise<void> {
  if (children.has(zone)) return;
  const settings: ZoneSettings = {
    zone,
    ports,
    sharedPort,
    stateDirectory,
    failover: values.without !== "failover",
    bug: process.env["FAKE_BUG"] ?? "",
  };
  children.set(zone, fork(join(import.meta.dirname, "zone.ts"), [JSON.stringify(settings)]));
  writeFiles();
  for (;;) {
    const isReady = await fetch(`http://127.0.0.1:${ports[zone]}/readyz`).catch(() => undefined);
    if (isReady?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function kill(zone: string): Promise<void> {
  const child = children.get(zone);
  if (child === undefined || process.env["FAKE_BUG"] === "does-not-kill") return;
  children.delete(zone);
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  writeFiles();
}

function status(): object {
  const groups = names.map((zone) => ({
    zone,
    programs: [{ program: "gateway", state: children.has(zone) ? "ready" : "stopped" }],
  }));
  return { groups };
}

function writeFiles(): void {
  const zones = names.map((name) => [
    name,
    { gateway: `http://127.0.0.1:${ports[name]}`, pids: pidsOf(name) },
  ]);
  replace(join(stateDirectory, "credentials.json"), {
    endpoint: `http://127.0.0.1:${sharedPort}`,
    zones: Object.fromEntries(zones),
    operator: { apiKey: "mk_operator" },
    tenants: { demo: { apiKey: "mk_demo" } },
  });
  const identities = names.flatMap(pidsOf).map(identifyProcess);
  replace(
    join(runDirectory, "processes.json"),
    identities.filter((identity) => identity !== undefined),
  );
}

function replace(file: string, document: object): void {
  writeFileSync(`${file}.new`, JSON.stringify(document));
  renameSync(`${file}.new`, file);
}
