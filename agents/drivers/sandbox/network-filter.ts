import { createHash } from "node:crypto";
import { networkRules, type UserRange } from "../../core/sandbox/instance-network.ts";
import type { RunningProcess, ToLauncher } from "../../launcher/messages.ts";
import type { InstanceReport } from "../launcher-client.ts";

const NAME = "network-filter-";
const MEMORY_BYTES_MAX = 268_435_456;
/** The first instances wait so long for the rules and no longer; whether they are there is what the canary finds out. */
const WAIT_MAX_MS = 2_000;
const OUTPUT_CHARACTERS_MAX = 300;
/** Somebody ended it: there is no hurry to be ended again. */
const RETRY_MS = 1_000;

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
}

export interface NetworkFilterOptions {
  readonly users: UserRange | undefined;
  readonly prefix: string;
  readonly endWithLauncher: readonly string[];
  readonly send: (message: ToLauncher) => void;
  readonly nft: string | undefined;
}

/** Keeps nftables' rules for instances in force: a process of the launcher's holds them, and they end with it, however it ends. */
export function networkFilter(options: NetworkFilterOptions): NetworkFilter {
  const { users, nft, prefix, send } = options;
  const name = `${NAME}${prefix}`;
  const table = `meridian_${createHash("sha256").update(prefix).digest("hex").slice(0, 12)}`;
  const replaced: string[] = [];
  let reason: string | undefined = whyNot(options);
  let output = "";
  let waiting = Promise.withResolvers<void>();

  const settle = (why: string | undefined): void => {
    reason = why;
    for (const instance of replaced.splice(0)) send({ kind: "kill", instance });
    waiting.resolve();
  };
  if (users === undefined || nft === undefined) waiting.resolve();

  let retry: NodeJS.Timeout | undefined;
  const begin = (): void => {
    if (users === undefined || nft === undefined) return;
    const [first, ...rest] = [...options.endWithLauncher, nft, "-i"];
    output = "";
    send({
      kind: "start",
      instance: name,
      command: [first ?? nft, ...rest],
      environment: {},
      directory: "/",
      greeting: `${networkRules(table, users)}\nlist tables inet`,
      memoryBytesMax: MEMORY_BYTES_MAX,
    });
  };

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
          if (output.includes(`table inet ${table}`)) settle(undefined);
          return;
        case "not-started":
          return settle(`nft does not start: ${report.reason}`);
        case "exited":
          retry = setTimeout(begin, RETRY_MS).unref();
          return settle(`nft ended: ${output.trim()}`);
      }
    },
    onLost: () => {
      if (users === undefined || nft === undefined) return;
      clearTimeout(retry);
      reason = "the rules went with the launcher";
      waiting = Promise.withResolvers();
    },
    close: () => clearTimeout(retry),
    settled: async () => {
      const limit = setTimeout(waiting.resolve, WAIT_MAX_MS);
      await waiting.promise;
      clearTimeout(limit);
    },
    reason: () => reason,
  };
}

function whyNot({ users, nft }: NetworkFilterOptions): string | undefined {
  if (users === undefined) return "instances have no users of their own to be known by";
  if (nft === undefined) return "nft, of nftables, is not installed";
  return "the rules are being made";
}
