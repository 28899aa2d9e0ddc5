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
import { keepProved } from "./keep-proved.ts";
import { type NetworkFilter, networkFilter } from "./network-filter.ts";
import { type Cell, type OpenedSandbox, openSandbox, type Sandbox } from "./open-sandbox.ts";
import { lookForGvisor } from "./probe-gvisor.ts";
import { type ForksToProve, proveIsolation } from "./prove-isolation.ts";

/** An agent that starts has other things to do first. */
const CANARY_DELAY_MS = 1_500;

export interface ShelterOptions {
  readonly stateDirectory: string;
  /** The folder with the agent's socket for instances and nothing else. */
  readonly agentDirectory: string;
  readonly runtimeDirectory: string;
  readonly sandbox: "auto" | "off";
  readonly usersFrom?: number | undefined;
  /** Where gVisor's `runsc` is; absent: on the PATH, or nowhere. */
  readonly gvisorProgram?: string | undefined;
  /** Told apart from other agents' by it. */
  readonly prefix: string;
  readonly send: (message: ToLauncher) => void;
  readonly probeHost: (runtime: "node" | "python") => Promise<Host>;
  /** Starts a canary just like a function's instance. */
  readonly start: (spec: InstanceSpec) => Instance;
  /** Instances of Python that are forked; functions have them once the canary has found nothing. Absent: none are. */
  readonly forks?: ForksToProve;
  readonly log: Logger;
}

/** What stands between instances and the rest of this machine, and what is proved of it. */
export interface Shelter {
  readonly isolation: LatestValue<IsolationReport | undefined>;
  /** Undefined: instances are plain processes. */
  readonly openCell: () => Cell | undefined;
  /** Whether instances see `INSIDE`'s paths and not the machine's own. */
  readonly isSandboxed: boolean;
  /** What is the same in all sandboxes; undefined where there are none, or all have the agent's user. */
  readonly common: Sandbox["common"] | undefined;
  /** There is a way of starting instances that is to be proved. */
  readonly proveAgain: () => void;
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
    onChanged: () => {
      if (filter.reason() === undefined) proof.proveSoon(0);
      else tellNotes();
    },
  });
  const gvisor = lookForGvisor(cells !== undefined, options.gvisorProgram, () => tellNotes());
  const facts = (): readonly string[] => [
    ...notesOf(sandbox, filter, gvisor.told()),
    ...(options.forks?.notes() ?? []),
  ];
  const notes = (): string[] => {
    const trouble = proof.trouble();
    const failure = `The canary could not be asked, and will be again: ${trouble}`;
    return [...(trouble === undefined ? [] : [failure]), ...facts()];
  };
  const tellNotes = (): void => {
    const report = isolation.get();
    if (report !== undefined) isolation.set({ ...report, notes: notes() });
  };

  let isClosed = false;
  const hasPython = async () => (await options.probeHost("python")).python.kind === "found";
  const proof = keepProved({
    prove: async () => {
      await filter.settled();
      const report = await proveIsolation({
        ...options,
        hasPython,
        notes: facts,
        wallMs: Date.now,
      });
      if (!isClosed) isolation.set(report);
    },
    onFailed: (error) => {
      options.log.error({ err: error }, "isolation was not proved; it is tried again");
      isolation.set(judgeIsolation([], notes(), Date.now()));
    },
  });
  // Never a canary without a sandbox: as a plain process, and root at that, it would do what it tries.
  if (cells === undefined)
    isolation.set(judgeIsolation([], notesOf(sandbox, filter, gvisor.told()), Date.now()));

  return {
    isolation,
    isSandboxed: cells !== undefined,
    openCell: () => cells?.openCell(),
    common: cells?.users === undefined ? undefined : cells.common,
    proveAgain: () => proof.proveSoon(0),
    obstacle: async (spec) => {
      // A function that came before the rules would reach what they keep it from.
      if (cells !== undefined && spec.network !== "none") {
        await filter.settled();
        if (filter.isBroken())
          return `the rules that keep it from this machine's ports are not in force: ${filter.reason()}`;
      }
      const required = requiredLevel(spec);
      if (required === "L0") return undefined;
      if (isolation.get() === undefined) {
        proof.proveSoon(0);
        await proof.tried;
      }
      const { level } = isolation.get() ?? {};
      if (isProved(required, level)) return undefined;
      const trouble = proof.trouble();
      return [
        `it asks for ${required}, and this cluster has proved ${describeLevel(level)}`,
        ...(required === "L4" ? [gvisor.told()] : []),
        ...(trouble === undefined ? [] : [`the canary could not be asked: ${trouble}`]),
      ].join("; ");
    },
    onConnected: () => {
      filter.onConnected();
      if (cells !== undefined) proof.proveSoon(CANARY_DELAY_MS);
    },
    takeOver: filter.takeOver,
    onReport: filter.onReport,
    onLost: filter.onLost,
    close: async () => {
      isClosed = true;
      gvisor.stop();
      proof.close();
      filter.close();
      await cells?.close();
    },
  };
}

/** What is weaker than it sounds, and why there is no more; for operators. */
function notesOf(
  sandbox: OpenedSandbox,
  filter: Pick<NetworkFilter, "reason" | "isBroken">,
  gvisor: string,
): readonly string[] {
  const own =
    sandbox.kind === "none"
      ? [`Instances are plain processes of the agent's own user: ${sandbox.reason}`]
      : sandbox.notes;
  const reason = filter.reason();
  const open = `A function whose network is "outbound" reaches ports of this machine: ${reason}`;
  const closed = `No function whose network is "outbound" is started until the rules that keep it from this machine's ports are in force again: ${reason}`;
  return [
    ...own,
    ...(reason === undefined ? [] : [filter.isBroken() ? closed : open]),
    `L4 is not offered: ${gvisor}.`,
  ];
}
