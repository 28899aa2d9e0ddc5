import type { Logger } from "pino";
import type { IsolationReport } from "#lib/contracts/isolation.ts";
import { describeLevel, isProved, requiredLevel } from "#lib/isolation.ts";
import { type LatestValue, latestValue } from "#lib/latest-value.ts";
import { judgeIsolation } from "../../core/sandbox/judge-isolation.ts";
import type { RunningProcess, ToLauncher } from "../../launcher/messages.ts";
import type { Instance, InstanceSpec } from "../driver.ts";
import type { InstanceReport } from "../launcher-client.ts";
import type { Host } from "../probe-host.ts";
import { findProgram } from "./find-program.ts";
import { networkFilter } from "./network-filter.ts";
import { type Cell, openSandbox } from "./open-sandbox.ts";
import { proveIsolation } from "./prove-isolation.ts";

/** An agent that starts has other things to do first. */
const CANARY_DELAY_MS = 1_500;

export interface ShelterOptions {
  readonly stateDirectory: string;
  /** The folder with the agent's socket for instances and nothing else. */
  readonly agentDirectory: string;
  readonly runtimeDirectory: string;
  readonly sandbox: "auto" | "off";
  readonly usersFrom?: number | undefined;
  /** Told apart from other agents' by it. */
  readonly prefix: string;
  readonly send: (message: ToLauncher) => void;
  readonly probeHost: (runtime: "node" | "python") => Promise<Host>;
  /** Starts a canary just like a function's instance. */
  readonly start: (spec: InstanceSpec) => Instance;
  readonly log: Logger;
}

/** What stands between instances and the rest of this machine, and what is proved of it. */
export interface Shelter {
  readonly isolation: LatestValue<IsolationReport | undefined>;
  /** Undefined: instances are plain processes. */
  readonly openCell: () => Cell | undefined;
  /** Whether instances see `INSIDE`'s paths and not the machine's own. */
  readonly isSandboxed: boolean;
  /** Why the version is not started here, for its owner; waits for the proof where it asks for one. */
  readonly obstacle: (spec: InstanceSpec) => Promise<string | undefined>;
  /** There is a launcher. */
  readonly onConnected: () => void;
  /** Whether the process is no instance, but one of the agent's before this one that is looked after here. */
  readonly takeOver: (process: RunningProcess) => boolean;
  readonly onReport: (report: InstanceReport) => void;
  readonly onLost: () => void;
  readonly close: () => Promise<void>;
}

export async function openShelter(options: ShelterOptions): Promise<Shelter> {
  const isolation = latestValue<IsolationReport | undefined>(undefined);
  const sandbox =
    options.sandbox === "off"
      ? { kind: "none" as const, reason: "this agent's configuration says not to use one" }
      : await openSandbox(options);
  const cells = sandbox.kind === "sandbox" ? sandbox : undefined;
  const { endWithLauncher } = await options.probeHost("node");
  const filter = networkFilter({
    ...options,
    users: cells?.users,
    endWithLauncher,
    nft: await findProgram("nft"),
  });
  const notes = (): string[] => {
    const reason = filter.reason();
    return [
      ...(sandbox.kind === "none"
        ? [`Instances are plain processes of the agent's own user: ${sandbox.reason}`]
        : sandbox.notes),
      ...(reason === undefined
        ? []
        : [`A function whose network is "outbound" reaches ports of this machine: ${reason}`]),
      "L4 is not offered: instances are not started in gVisor (runsc) here.",
    ];
  };

  // Never a canary without a sandbox: as a plain process, and root at that, it would do what it tries.
  if (cells === undefined) isolation.set(judgeIsolation([], notes(), Date.now()));

  let isClosed = false;
  const proof = Promise.withResolvers<void>();
  const prove = async (): Promise<void> => {
    await filter.settled();
    if (isClosed) return;
    const report = await proveIsolation({ ...options, hasPython, notes, wallMs: Date.now });
    if (isClosed) return;
    isolation.set(report);
    proof.resolve();
  };
  const hasPython = async () => (await options.probeHost("python")).python.kind === "found";
  let timer: NodeJS.Timeout | undefined;
  let isUnderway = false;
  const proveSoon = (delayMs: number): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (isUnderway || isClosed) return;
      isUnderway = true;
      void prove()
        .catch((error: unknown) => options.log.error({ err: error }, "isolation was not proved"))
        .finally(() => {
          isUnderway = false;
        });
    }, delayMs).unref();
  };

  return {
    isolation,
    isSandboxed: cells !== undefined,
    openCell: () => cells?.openCell(),
    obstacle: async (spec) => {
      // Once for an agent: a function that came before the rules would reach what they keep it from.
      if (cells !== undefined) await filter.settled();
      const required = requiredLevel(spec);
      if (required === "L0") return undefined;
      if (isolation.get() === undefined) {
        proveSoon(0);
        await proof.promise;
      }
      const { level } = isolation.get() ?? {};
      if (isProved(required, level)) return undefined;
      return `it asks for ${required}, and this cluster has proved ${describeLevel(level)}`;
    },
    onConnected: () => {
      filter.onConnected();
      if (cells !== undefined) proveSoon(CANARY_DELAY_MS);
    },
    takeOver: filter.takeOver,
    onReport: filter.onReport,
    onLost: filter.onLost,
    close: async () => {
      isClosed = true;
      clearTimeout(timer);
      proof.resolve();
      filter.close();
      await cells?.close();
    },
  };
}
