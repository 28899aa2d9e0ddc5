import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { uptime } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { readJsonLines } from "#lib/io/json-lines.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { endMarked } from "../launcher/end-marked.ts";
import type {
  FromLauncher,
  LauncherSettings,
  RunningProcess,
  ToLauncher,
} from "../launcher/messages.ts";

const LAUNCHER = join(import.meta.dirname, "../launcher/main.ts");
/** On a machine that is that busy, what a launcher runs is worth the wait. */
const HELLO_TIMEOUT_MS = 3_000;
const START_TIMEOUT_MS = 5_000;
const CONNECT_RETRY_MS = 10;
/** By the machine's own clock, which nobody sets: agents of one state folder can be told apart by it. */
const AGENT_STARTED_AT_MS = Math.round((uptime() - process.uptime()) * 1_000);

export interface LauncherPlace {
  /** Where settings and the launcher's output are kept. */
  readonly stateDirectory: string;
  /** Short enough for the paths of unix sockets. */
  readonly socketDirectory: string;
  readonly graceMs: number;
  readonly log: Logger;
}

interface LauncherConnection {
  readonly kind: "connection";
  readonly socket: Socket;
  readonly pid: number;
  /** What agents before this one left running. */
  readonly running: readonly RunningProcess[];
  readonly messages: AsyncIterable<unknown>;
}

/** An agent that was started after this one has it. */
interface LauncherTaken {
  readonly kind: "taken";
}

/** The launcher of the agent before this one, if it is still there; one that hangs is ended. */
export async function joinLauncher(
  place: LauncherPlace,
): Promise<LauncherConnection | LauncherTaken | undefined> {
  const settings = await readSettings(place);
  if (settings === undefined) return undefined;
  try {
    return await greet(settings);
  } catch {
    await endHungLauncher(settings.pid, place);
    await rm(settings.socketPath, { force: true });
    return undefined;
  }
}

export async function startLauncher(
  place: LauncherPlace,
): Promise<LauncherConnection | LauncherTaken> {
  // One for each state folder, so that two federations on one machine leave each other alone.
  const folder = resolve(place.stateDirectory);
  const mark = createHash("sha256").update(folder).digest("hex").slice(0, 32);
  // Whatever carries the mark now was left by a launcher that could not clean up.
  await endMarked(mark, () => true);
  const settings: LauncherSettings = {
    mark,
    socketPath: join(place.socketDirectory, `l-${randomBytes(4).toString("hex")}.sock`),
    token: randomBytes(16).toString("hex"),
    graceMs: place.graceMs,
    pid: 0,
  };
  const path = settingsPath(place);
  await writeAtomically(path, JSON.stringify(settings));
  const output = openSync(join(place.stateDirectory, "launcher.log"), "a", 0o600);
  const launcher = spawn(process.execPath, ["--max-old-space-size=64", LAUNCHER, path], {
    detached: true,
    stdio: ["ignore", output, output],
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", LANG: "C.UTF-8", TZ: "UTC" },
  });
  closeSync(output);
  launcher.on("error", (error) => place.log.error({ err: error }, "the launcher does not start"));
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

async function greet(settings: LauncherSettings): Promise<LauncherConnection | LauncherTaken> {
  const socket = connect(settings.socketPath);
  try {
    await once(socket, "connect");
    socket.on("error", () => undefined);
    sendLine(socket, {
      kind: "hello",
      token: settings.token,
      agentStartedAtMs: AGENT_STARTED_AT_MS,
    });
    const messages = readJsonLines(socket);
    const timer = setTimeout(() => socket.destroy(), HELLO_TIMEOUT_MS);
    const first = await messages.next();
    clearTimeout(timer);
    const said = first.value as FromLauncher | undefined;
    if (said?.kind === "replaced") {
      socket.destroy();
      return { kind: "taken" };
    }
    if (said?.kind !== "hello") throw new Error("the launcher did not say hello");
    return { kind: "connection", socket, pid: said.pid, running: said.running ?? [], messages };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Only if the process with that number still is a launcher of ours. */
export async function endHungLauncher(pid: number, place: LauncherPlace): Promise<void> {
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  if (!command.split("\0").includes(settingsPath(place))) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone in between.
  }
}

/** What a launcher that was ended may leave; only by the agent that has it. */
export async function removeTraces(place: LauncherPlace): Promise<void> {
  const { socketPath } = (await readSettings(place)) ?? {};
  if (socketPath !== undefined) await rm(socketPath, { force: true });
  await rm(settingsPath(place), { force: true });
}

export function sendLine(socket: Socket | undefined, message: ToLauncher): void {
  if (socket?.writable === true) socket.write(`${JSON.stringify(message)}\n`);
}

const settingsPath = ({ stateDirectory }: LauncherPlace): string =>
  join(stateDirectory, "launcher.json");

async function readSettings(place: LauncherPlace): Promise<LauncherSettings | undefined> {
  try {
    return JSON.parse(await readFile(settingsPath(place), "utf8")) as LauncherSettings;
  } catch {
    return undefined;
  }
}
