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

const settingsPath = process.argv[2];
if (settingsPath === undefined) throw new Error("the launcher needs the path of its settings");
// Written by the agent that started this process, in a folder nobody else can write.
const settings = JSON.parse(readFileSync(settingsPath, "utf8")) as LauncherSettings;

let agent: Socket | undefined;
const children = childProcesses(settings.mark, (message) => {
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
  rmSync(settings.socketPath, { force: true });
  void children.close().finally(() => process.exit(0));
}

for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, end);

function tell(socket: Socket | undefined, message: FromLauncher): void {
  if (socket?.writable === true) socket.write(`${JSON.stringify(message)}\n`);
}

async function serve(socket: Socket): Promise<void> {
  for await (const line of readJsonLines(socket)) {
    const message = line as ToLauncher;
    if (message.kind === "hello" && message.token === settings.token) welcome(socket);
    else if (socket !== agent) return;
    else obeyOrComplain(message);
  }
}

/** What goes wrong with one message is no reason to end the session, and all instances with it. */
function obeyOrComplain(message: ToLauncher): void {
  try {
    obey(message);
  } catch (error) {
    complain(`could not do "${message.kind}"`, error);
    if (message.kind !== "start") return;
    tell(agent, { kind: "not-started", instance: message.instance, reason: String(error) });
  }
}

function complain(what: string, error: unknown): void {
  const { stack } = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(`${new Date().toISOString()} the launcher ${what}: ${stack}\n`);
}

function welcome(socket: Socket): void {
  agent?.destroy();
  agent = socket;
  clearTimeout(loneliness);
  children.killAll();
  tell(socket, { kind: "hello", pid: process.pid });
}

function obey(message: ToLauncher): void {
  switch (message.kind) {
    case "start":
      return children.start(message);
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
server.on("error", (error) => {
  process.stderr.write(`the launcher cannot listen on ${settings.socketPath}: ${error.message}\n`);
  process.exit(1);
});
rmSync(settings.socketPath, { force: true });
server.listen(settings.socketPath);
