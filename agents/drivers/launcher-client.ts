import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { FromLauncher, RunningProcess, ToLauncher } from "../launcher/messages.ts";
import {
  endHungLauncher,
  joinLauncher,
  type LauncherPlace,
  removeTraces,
  sendLine,
  startLauncher,
} from "./open-launcher.ts";

const BACK_OFF_MIN_MS = 50;
const BACK_OFF_MAX_MS = 5_000;
const PING_INTERVAL_MS = 500;
/** Counted in this process's own ticks, so that a pause of the agent is not taken for one of the launcher. */
const SILENT_TICKS_MAX = 3;

export interface LauncherClientOptions extends LauncherPlace {
  /** Of a launcher that was there already, with what it runs. */
  readonly onConnected: (pid: number, running: readonly RunningProcess[]) => void;
  readonly onMessage: (message: InstanceReport) => void;
  /** The launcher is gone, and what it ran is to be taken for gone. */
  readonly onLost: () => void;
  /** An agent that was started later has the launcher and its instances; this one has none, and gets none. */
  readonly onReplaced: () => void;
}

export type InstanceReport = Extract<FromLauncher, { readonly instance: string }>;

export interface LauncherClient {
  /** Resolves once the agent before this one is known to have left no launcher, or there is a connection to one. */
  readonly looked: Promise<void>;
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
  let isReplaced = false;
  let connection: Socket | undefined;
  let connected = Promise.withResolvers<void>();
  const looked = Promise.withResolvers<void>();

  const yieldToNewer = (): void => {
    isReplaced = true;
    stopping.abort();
    options.onReplaced();
  };
  const serve = async (): Promise<void> => {
    const joined = await joinLauncher(options);
    if (joined === undefined) looked.resolve();
    const opened = joined ?? (await startLauncher(options));
    if (opened.kind === "taken") return yieldToNewer();
    const { socket, pid, running, messages } = opened;
    connection = socket;
    // Closed while it was still starting: it has to be told now.
    if (stopping.signal.aborted) sendLine(socket, { kind: "shutdown" });
    options.onConnected(pid, running);
    looked.resolve();
    connected.resolve();
    const watch = watchLauncher(socket, async () => {
      log.error({ launcherPid: pid }, "the launcher hangs; ending it and its instances");
      await endHungLauncher(pid, options);
    });
    try {
      for await (const line of messages) {
        watch.heard();
        const message = line as FromLauncher;
        if (message.kind === "replaced") return yieldToNewer();
        if ("instance" in message) options.onMessage(message);
      }
    } finally {
      watch.close();
      connection = undefined;
      connected = Promise.withResolvers();
      socket.destroy();
      if (!isReplaced) options.onLost();
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
    looked: looked.promise,
    whenConnected: async (timeoutMs) => {
      if (connection !== undefined) return true;
      await Promise.race([connected.promise, delay(timeoutMs, undefined, { ref: false })]);
      return connection !== undefined;
    },
    send: (message) => sendLine(connection, message),
    close: async () => {
      stopping.abort();
      sendLine(connection, { kind: "shutdown" });
      await keeping;
      if (!isReplaced) await removeTraces(options);
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
