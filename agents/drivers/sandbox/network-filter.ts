import { createHash } from "node:crypto";
import {
  areInForce,
  listRules,
  networkRules,
  type UserRange,
} from "../../core/sandbox/instance-network.ts";
import type { RunningProcess, ToLauncher } from "../../launcher/messages.ts";
import type { InstanceReport } from "../launcher-client.ts";

const NAME = "network-filter-";
const MEMORY_BYTES_MAX = 268_435_456;
/** The first instances wait so long for the rules and no longer; whether they are there is what the canary finds out. */
const WAIT_MAX_MS = 2_000;
const OUTPUT_CHARACTERS_MAX = 300;
/** Rules that were in force are missed at once; what never worked is in no hurry. */
const RESTORE_MS = 100;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;
/** The kernel lets nobody but their owner change the rules, and takes them away with it: that is told. This is for what is not. */
const CHECK_INTERVAL_MS = 30_000;

export interface NetworkFilter {
  /** A launcher is there: has it run the filter, after that of the agent before this one is known. */
  readonly onConnected: () => void;
  /** Whether it is the filter of an agent before this one; it is ended once the new one works. */
  readonly takeOver: (process: RunningProcess) => boolean;
  readonly onReport: (report: InstanceReport) => void;
  /** The launcher is gone, and the rules with it. */
  readonly onLost: () => void;
  readonly close: () => void;
  /** Resolves when the rules are in force, or it is known why not, or that takes too long. */
  readonly settled: () => Promise<void>;
  /** Why instances can reach this machine's ports; undefined while they cannot. */
  readonly reason: () => string | undefined;
  /** Whether rules that were in force are not, so that nothing that they are for is to be started. */
  readonly isBroken: () => boolean;
}

export interface NetworkFilterOptions {
  readonly users: UserRange | undefined;
  readonly prefix: string;
  readonly endWithLauncher: readonly string[];
  readonly send: (message: ToLauncher) => void;
  readonly nft: string | undefined;
  /** Rules that were in force are not, or are again, with the launcher there all the time. */
  readonly onChanged: () => void;
}

/** Keeps nftables' rules for instances in force: a process of the launcher's holds them, and they end with it, however it ends. */
export function networkFilter(options: NetworkFilterOptions): NetworkFilter {
  const { users, nft, prefix, send } = options;
  if (users === undefined) return noFilter("instances have no users of their own to be known by");
  if (nft === undefined) return noFilter("nft, of nftables, is not installed");

  const name = `${NAME}${prefix}`;
  const table = `meridian_${createHash("sha256").update(prefix).digest("hex").slice(0, 12)}`;
  const replaced: string[] = [];
  let reason: string | undefined = "the rules are being made";
  let wasInForce = false;
  let isChecked = true;
  let output = "";
  let waiting = Promise.withResolvers<void>();
  let retry: NodeJS.Timeout | undefined;
  let retryMs = RETRY_MIN_MS;
  let isRestoring = false;

  const settle = (why: string | undefined): void => {
    reason = why;
    for (const instance of replaced.splice(0)) send({ kind: "kill", instance });
    waiting.resolve();
  };
  const onInForce = (): void => {
    isChecked = true;
    if (reason === undefined) return;
    wasInForce = true;
    retryMs = RETRY_MIN_MS;
    settle(undefined);
    if (isRestoring) options.onChanged();
    isRestoring = false;
  };
  const onEnded = (why: string): void => {
    if (reason === undefined) {
      waiting = Promise.withResolvers();
      reason = why;
      isRestoring = true;
      options.onChanged();
      retry = setTimeout(begin, RESTORE_MS).unref();
      return;
    }
    settle(why);
    retry = setTimeout(begin, retryMs).unref();
    retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
  };

  const begin = (): void => {
    const [first, ...rest] = [...options.endWithLauncher, nft, "-i"];
    output = "";
    isChecked = true;
    send({
      kind: "start",
      instance: name,
      command: [first ?? nft, ...rest],
      environment: {},
      directory: "/",
      greeting: `${networkRules(table, users)}\n${listRules(table)}`,
      memoryBytesMax: MEMORY_BYTES_MAX,
    });
  };
  const checking = setInterval(() => {
    if (reason !== undefined) return;
    // Its end is reported like any other, and with it what was in force.
    if (!isChecked) return send({ kind: "kill", instance: name });
    isChecked = false;
    output = "";
    send({ kind: "greet", instance: name, greeting: listRules(table) });
  }, CHECK_INTERVAL_MS).unref();

  return {
    onConnected: begin,
    takeOver: ({ instance }) => {
      if (!instance.startsWith(NAME)) return false;
      replaced.push(instance);
      return true;
    },
    onReport: (report) => {
      if (report.instance !== name) return;
      switch (report.kind) {
        case "started":
          return;
        case "output":
          output = (output + report.text).slice(-OUTPUT_CHARACTERS_MAX);
          if (areInForce(table, output)) onInForce();
          return;
        case "not-started":
          return onEnded(`nft does not start: ${report.reason}`);
        case "exited":
          return onEnded(`nft ended: ${lastWords(report, output)}`);
      }
    },
    onLost: () => {
      clearTimeout(retry);
      reason = "the rules went with the launcher";
      isRestoring = false;
      waiting = Promise.withResolvers();
    },
    close: () => {
      clearTimeout(retry);
      clearInterval(checking);
    },
    settled: async () => {
      const limit = setTimeout(waiting.resolve, WAIT_MAX_MS);
      await waiting.promise;
      clearTimeout(limit);
    },
    reason: () => reason,
    isBroken: () => wasInForce && reason !== undefined,
  };
}

type Exit = Extract<InstanceReport, { kind: "exited" }>;

/** What it said before somebody ended it was no complaint. */
const lastWords = ({ code, signal }: Exit, output: string): string =>
  signal === null ? output.trim() || `it exited with ${code}` : `something sent it ${signal}`;

/** This machine, or this agent, cannot have one. */
const noFilter = (reason: string): NetworkFilter => ({
  onConnected: () => undefined,
  takeOver: () => false,
  onReport: () => undefined,
  onLost: () => undefined,
  close: () => undefined,
  settled: async () => undefined,
  reason: () => reason,
  isBroken: () => false,
});
