import { readFileSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { readJsonLines } from "#lib/io/json-lines.ts";
import { childProcesses } from "./child-processes.ts";
import type { FromLauncher, LauncherSettings, ToLauncher } from "./messages.ts";

/*
 * The small process that owns all instances of an agent: forking from the agent itself would stop its event loop for tens of
 * milliseconds each. It outlives its agent for a while, so that a new one can take over, and takes all instances with it.
 */

/** What instances print is dropped rather than kept for an agent that does not read. */
const UNREAD_BYTES_MAX = 1_048_576;
/** An environment is at most some 4 MB; whoever has not said the token has little to say. */
const MESSAGE_CHARACTERS_MAX = 16_777_216;
const HELLO_CHARACTERS_MAX = 1_024;
const HELLO_LIMIT_MS = 2_000;
const CONNECTIONS_MAX = 16;

const settingsPath = process.argv[2];
if (settingsPath === undefined) throw new Error("the launcher needs the path of its settings");
// Written by the agent that started this process, in a folder nobody else can write.
const settings = JSON.parse(readFileSync(settingsPath, "utf8")) as LauncherSettings;

type Hello = Extract<ToLauncher, { kind: "hello" }>;

let agent: Socket | undefined;
/** Of the agents that came so far, the one that was started last; one that was started before it has been replaced. */
let newestStartedAtMs = Number.NEGATIVE_INFINITY;
const children = childProcesses(settings.mark, `${settings.socketPath}.f`, (message) => {
  if (message.kind === "output" && (agent?.writableLength ?? 0) > UNREAD_BYTES_MAX) return;
  tell(agent, message);
});

let loneliness = endSoon();
function endSoon(): NodeJS.Timeout {
  return setTimeout(end, settings.graceMs);
}

// A full disk, say: the launcher's own log is no reason to end what it runs.
process.stderr.on("error", () => undefined);

function end(): void {
  server.close();
  rmSync(settings.socketPath, { force: true });
  void children.close().finally(() => process.exit(0));
}

for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, end);

function tell(socket: Socket | undefined, message: FromLauncher): void {
  if (socket?.writable === true) socket.write(`${JSON.stringify(message)}\n`);
}

async function serve(socket: Socket): Promise<void> {
  const silence = setTimeout(() => socket.destroy(), HELLO_LIMIT_MS);
  const charactersMax = () => (socket === agent ? MESSAGE_CHARACTERS_MAX : HELLO_CHARACTERS_MAX);
  try {
    for await (const line of readJsonLines(socket, charactersMax)) {
      if (socket === agent) obeyOrComplain(line as ToLauncher);
      else if (isHello(line)) welcome(socket, line);
      else return;
      clearTimeout(silence);
    }
  } finally {
    clearTimeout(silence);
  }
}

function isHello(line: unknown): line is Hello {
  const { kind, token } = (line ?? {}) as Partial<Record<string, unknown>>;
  return kind === "hello" && token === settings.token;
}

/** What goes wrong with one message is no reason to end the session, and all instances with it. */
function obeyOrComplain(message: ToLauncher): void {
  try {
    obey(message);
  } catch (error) {
    complain(`could not do "${message.kind}"`, error);
    if (message.kind !== "start" || isRunning(message.instance)) return;
    tell(agent, { kind: "not-started", instance: message.instance, reason: String(error) });
  }
}

function complain(what: string, error: unknown): void {
  const { stack } = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(`${new Date().toISOString()} the launcher ${what}: ${stack}\n`);
}

const isRunning = (instance: string): boolean =>
  children.running().some((process) => process.instance === instance);

/** Told as its last word, which waits where it is until a hung agent wakes up. */
const dismiss = (socket: Socket | undefined): void => {
  tell(socket, { kind: "replaced" });
  socket?.end();
};

function welcome(socket: Socket, { agentStartedAtMs }: Hello): void {
  if (agentStartedAtMs !== undefined && agentStartedAtMs < newestStartedAtMs)
    return dismiss(socket);
  dismiss(agent);
  agent = socket;
  children.onNewAgent();
  clearTimeout(loneliness);
  if (agentStartedAtMs === undefined) children.killAll();
  else newestStartedAtMs = agentStartedAtMs;
  tell(socket, { kind: "hello", pid: process.pid, running: children.running() });
}

function obey(message: ToLauncher): void {
  switch (message.kind) {
    case "start":
      return children.start(message);
    case "greet":
      return children.greet(message);
    case "kill":
      return children.kill(message.instance);
    case "ping":
      return tell(agent, { kind: "pong" });
    case "shutdown":
      return end();
    case "hello":
      return undefined;
  }
}

const server = createServer((socket) => {
  socket.on("error", () => undefined);
  serve(socket)
    .catch((error: unknown) => complain("lost a connection", error))
    .finally(() => {
      socket.destroy();
      if (socket !== agent) return;
      agent = undefined;
      loneliness = endSoon();
    });
});
server.maxConnections = CONNECTIONS_MAX;
server.on("error", (error) => {
  process.stderr.write(`the launcher cannot listen on ${settings.socketPath}: ${error.message}\n`);
  process.exit(1);
});
rmSync(settings.socketPath, { force: true });
server.listen(settings.socketPath);
