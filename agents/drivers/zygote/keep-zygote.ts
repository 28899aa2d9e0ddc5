import { join } from "node:path";
import type { Logger } from "pino";
import type { ForkRequest, ToLauncher } from "../../launcher/messages.ts";
import { pythonProgram, RUNTIMES } from "../instance-command.ts";
import type { InstanceReport } from "../launcher-client.ts";
import type { Host } from "../probe-host.ts";
import type { CommonSandbox } from "../sandbox/open-sandbox.ts";

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;
const START_LIMIT_MS = 30_000;
const SAID_CHARACTERS_MAX = 1_000;
/** It has all that it will ever need when it is ready, and nothing that a function did is in it. */
const MEMORY_BYTES_MAX = 2 ** 40;
/** The zygote has the machine's root file system there, and so nothing that instances would see. */
const TAKEN_FOLDER = "/tmp/";

export interface ZygoteOptions {
  readonly isWanted: boolean;
  /** Told apart from other agents' by it. */
  readonly prefix: string;
  /** Undefined: there are no sandboxes that can be made by forking here. */
  readonly common:
    | ((runtimeDirectory: string, languageDirectories: readonly string[]) => CommonSandbox)
    | undefined;
  readonly probeHost: (runtime: "python") => Promise<Host>;
  readonly send: (message: ToLauncher) => void;
  /** It forks, but for what was not proved of it yet. */
  readonly onReady: () => void;
  readonly log: Logger;
}

const SHARED =
  "Instances of Python are forked from one process: they have the same layout of memory, and the same seed of hashes, until it is made anew.";

export type ForkFrom = Pick<ForkRequest, "zygote" | "isRequired">;

/** Keeps a process at the launcher that instances of Python are forked from; where it ends, instances start as they do without it. */
export interface KeptZygote {
  /** What functions' instances are forked from; undefined: nothing, or nothing that is proved to keep them apart. */
  readonly forFunctions: () => ForkFrom | undefined;
  readonly forCanary: () => ForkFrom | undefined;
  /** What the canary found: why it is not to be used, or nothing. */
  readonly judge: (obstacle: string | undefined) => void;
  /** For operators. */
  readonly notes: () => readonly string[];
  readonly onConnected: () => void;
  readonly onReport: (report: InstanceReport) => void;
  readonly onLost: () => void;
  readonly close: () => void;
}

export function keepZygote(options: ZygoteOptions): KeptZygote {
  const { common, log, send } = options;
  let isClosed = false;
  let count = 0;
  let current: string | undefined;
  let isReady = false;
  let isProved = false;
  let judged: string | undefined;
  let said = "";
  let retryMs = RETRY_MIN_MS;
  let timer: NodeJS.Timeout | undefined;

  const begin = async (): Promise<void> => {
    if (!options.isWanted || common === undefined) return;
    const { python, endWithLauncher } = await options.probeHost("python");
    if (python.kind === "missing" || isClosed) return;
    const runtime = join(RUNTIMES, "python");
    if (python.directories.some((path) => path.startsWith(TAKEN_FOLDER))) {
      judged = `Python's packages are below ${TAKEN_FOLDER}, which each instance has of its own`;
      return;
    }
    forget();
    count += 1;
    current = `zygote-${options.prefix}-${count}`;
    const program = pythonProgram(python, join(runtime, "zygote.py"));
    const [first, ...rest] = [...endWithLauncher, ...program];
    const settings = common(runtime, python.directories);
    send({
      kind: "start",
      instance: current,
      isZygote: true,
      command: [first ?? python.path, ...rest],
      environment: { LANG: "C.UTF-8", TZ: "UTC" },
      directory: "/",
      greeting: JSON.stringify(settings),
      memoryBytesMax: MEMORY_BYTES_MAX,
    });
    timer = setTimeout(() => {
      if (current !== undefined) send({ kind: "kill", instance: current });
    }, START_LIMIT_MS).unref();
  };
  const forget = (): void => {
    clearTimeout(timer);
    current = undefined;
    isReady = false;
    isProved = false;
    judged = undefined;
    said = "";
  };
  const beginLater = (): void => {
    forget();
    timer = setTimeout(beginOrTell, retryMs).unref();
    retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
  };
  const beginOrTell = (): void => {
    begin().catch((error: unknown) => {
      log.warn(
        { err: error },
        "instances of Python are not forked: there is no answer from Python",
      );
      beginLater();
    });
  };

  return {
    forFunctions: () => (isProved && current !== undefined ? { zygote: current } : undefined),
    forCanary: () =>
      isReady && current !== undefined ? { zygote: current, isRequired: true } : undefined,
    judge: (obstacle) => {
      if (!isReady) return;
      isProved = obstacle === undefined;
      judged = obstacle;
      if (obstacle === undefined) retryMs = RETRY_MIN_MS;
      else
        log.error(
          { obstacle },
          "instances of Python are not forked: that is not kept apart as it should be",
        );
    },
    notes: () => {
      if (isProved) return [SHARED];
      return judged === undefined ? [] : [`Instances of Python are not forked: ${judged}`];
    },
    onConnected: beginOrTell,
    onReport: (report) => {
      if (report.instance !== current) return;
      switch (report.kind) {
        case "started":
          return;
        case "output":
          said = (said + report.text).slice(-SAID_CHARACTERS_MAX);
          if (isReady || !said.includes("ready\n")) return;
          clearTimeout(timer);
          isReady = true;
          return options.onReady();
        case "not-started":
        case "exited":
          log.warn(
            { said: said.trim() },
            "the process that instances of Python are forked from ended",
          );
          return beginLater();
      }
    },
    onLost: forget,
    close: () => {
      isClosed = true;
      forget();
    },
  };
}
