import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { readJsonLines } from "#lib/io/json-lines.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { endMarked } from "../launcher/end-marked.ts";
import type { FromLauncher, LauncherSettings, ToLauncher } from "../launcher/messages.ts";

const LAUNCHER = join(import.meta.dirname, "../launcher/main.ts");
const HELLO_TIMEOUT_MS = 1_000;
const START_TIMEOUT_MS = 5_000;
const CONNECT_RETRY_MS = 10;
const BACK_OFF_MIN_MS = 50;
const BACK_OFF_MAX_MS = 5_000;
const PING_INTERVAL_MS = 500;
/** Counted in this process's own ticks, so that a pause of the agent is not taken for one of the launcher. */
const SILENT_TICKS_MAX = 3;

export interface LauncherClientOptions {
  /** Where settings and the launcher's output are kept. */
  readonly stateDirectory: string;
  /** Short enough for the paths of unix sockets. */
  readonly socketDirectory: string;
  readonly graceMs: number;
  readonly log: Logger;
  readonly onConnected: (pid: number) => void;
  readonly onMessage: (message: FromLauncher) => void;
  /** The launcher is gone, and what it ran is to be taken for gone. */
  readonly onLost: () => void;
}

export interface LauncherClient {
  /** Resolves to false when there is no launcher by then. */
  readonly whenConnected: (timeoutMs: number) => Promise<boolean>;
  readonly send: (message: ToLauncher) => void;
  /** Ends the launcher and with it all instances. */
  readonly close: () => Promise<void>;
}

/** Keeps this agent connected to a launcher: the one an earlier agent left behind, or a new one. */
export function launcherClient(options: LauncherClientOptions): LauncherClient {
  const { log } = options;
  const stopping = new AbortController();
  let connection: Socket | undefined;
  let connected = Promise.withResolvers<void>();

  const serve = async (): Promise<void> => {
    const { socket, pid, messages } =
      (await joinLauncher(options)) ?? (await startLauncher(options));
    connection = socket;
    // Closed while it was still starting: it has to be told now.
    if (stopping.signal.aborted) sendLine(socket, { kind: "shutdown" });
    options.onConnected(pid);
    connected.resolve();
    const watch = watchLauncher(socket, async () => {
      log.error({ launcherPid: pid }, "the launcher hangs; ending it and its instances");
      await endHungLauncher(pid, settingsPath(options));
    });
    try {
      for await (const message of messages) {
        watch.heard();
        options.onMessage(message as FromLauncher);
      }
    } finally {
      watch.close();
      connection = undefined;
      connected = Promise.withResolvers();
      socket.destroy();
      options.onLost();
    }
  };
  const keep = async (): Promise<void> => {
    let backOffMs = BACK_OFF_MIN_MS;
    while (!stopping.signal.aborted) {
      const startedAtMs = performance.now();
      await serve().catch((error: unknown) => {
        if (!stopping.signal.aborted) log.error({ err: error }, "no launcher");
      });
      if (performance.now() - startedAtMs > BACK_OFF_MAX_MS) backOffMs = BACK_OFF_MIN_MS;
      await delay(backOffMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      backOffMs = Math.min(BACK_OFF_MAX_MS, backOffMs * 2);
    }
  };
  const keeping = keep();

  return {
    whenConnected: async (timeoutMs) => {
      if (connection !== undefined) return true;
      await Promise.race([connected.promise, delay(timeoutMs, undefined, { ref: false })]);
      return connection !== undefined;
    },
    send: (message) => sendLine(connection, message),
    close: async () => {
      stopping.abort();
      sendLine(connection, { kind: "shutdown" });
      const { socketPath } = (await readSettings(options)) ?? {};
      await keeping;
      if (socketPath !== undefined) await rm(socketPath, { force: true });
      await rm(settingsPath(options), { force: true });
    },
  };
}

/** Pings the launcher; one that stays silent is ended, and the connection with it. */
function watchLauncher(socket: Socket, end: () => Promise<void>) {
  let silentTicks = 0;
  const ticking = setInterval(() => {
    if (silentTicks >= SILENT_TICKS_MAX) {
      clearInterval(ticking);
      void end().finally(() => socket.destroy());
      return;
    }
    silentTicks += 1;
    sendLine(socket, { kind: "ping" });
  }, PING_INTERVAL_MS);
  return {
    heard: () => {
      silentTicks = 0;
    },
    close: () => clearInterval(ticking),
  };
}

interface Connection {
  readonly socket: Socket;
  readonly pid: number;
  readonly messages: AsyncIterable<unknown>;
}

/** The launcher of the agent before this one, if it is still there; one that hangs is ended. */
async function joinLauncher(options: LauncherClientOptions): Promise<Connection | undefined> {
  const settings = await readSettings(options);
  if (settings === undefined) return undefined;
  try {
    return await greet(settings);
  } catch {
    await endHungLauncher(settings.pid, settingsPath(options));
    await rm(settings.socketPath, { force: true });
    return undefined;
  }
}

async function startLauncher(options: LauncherClientOptions): Promise<Connection> {
  // One for each state folder, so that two federations on one machine leave each other alone.
  const folder = resolve(options.stateDirectory);
  const mark = createHash("sha256").update(folder).digest("hex").slice(0, 32);
  // Whatever carries the mark now was left by a launcher that could not clean up.
  await endMarked(mark, () => true);
  const settings: LauncherSettings = {
    mark,
    socketPath: join(options.socketDirectory, `l-${randomBytes(4).toString("hex")}.sock`),
    token: randomBytes(16).toString("hex"),
    graceMs: options.graceMs,
    pid: 0,
  };
  const path = settingsPath(options);
  await writeAtomically(path, JSON.stringify(settings));
  const output = openSync(join(options.stateDirectory, "launcher.log"), "a", 0o600);
  const launcher = spawn(process.execPath, ["--max-old-space-size=64", LAUNCHER, path], {
    detached: true,
    stdio: ["ignore", output, output],
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", LANG: "C.UTF-8", TZ: "UTC" },
  });
  closeSync(output);
  launcher.on("error", (error) => options.log.error({ err: error }, "the launcher does not start"));
  launcher.unref();
  await writeAtomically(path, JSON.stringify({ ...settings, pid: launcher.pid ?? 0 }));

  const deadline = AbortSignal.timeout(START_TIMEOUT_MS);
  for (;;) {
    try {
      return await greet(settings);
    } catch (error) {
      if (deadline.aborted || launcher.exitCode !== null)
        throw new Error("the launcher does not answer; launcher.log may say why", { cause: error });
      await delay(CONNECT_RETRY_MS);
    }
  }
}

async function greet(settings: LauncherSettings): Promise<Connection> {
  const socket = connect(settings.socketPath);
  try {
    await once(socket, "connect");
    socket.on("error", () => undefined);
    sendLine(socket, { kind: "hello", token: settings.token });
    const messages = readJsonLines(socket);
    const timer = setTimeout(() => socket.destroy(), HELLO_TIMEOUT_MS);
    const first = await messages.next();
    clearTimeout(timer);
    const hello = first.value as FromLauncher | undefined;
    if (hello?.kind !== "hello") throw new Error("the launcher did not say hello");
    return { socket, pid: hello.pid, messages };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Only if the process with that number still is a launcher of ours. */
async function endHungLauncher(pid: number, path: string): Promise<void> {
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  if (!command.split("\0").includes(path)) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone in between.
  }
}

const settingsPath = ({ stateDirectory }: LauncherClientOptions): string =>
  join(stateDirectory, "launcher.json");

async function readSettings(options: LauncherClientOptions): Promise<LauncherSettings | undefined> {
  try {
    return JSON.parse(await readFile(settingsPath(options), "utf8")) as LauncherSettings;
  } catch {
    return undefined;
  }
}

function sendLine(socket: Socket | undefined, message: ToLauncher): void {
  if (socket?.writable === true) socket.write(`${JSON.stringify(message)}\n`);
}
