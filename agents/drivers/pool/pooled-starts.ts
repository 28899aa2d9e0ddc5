import type { Runtime } from "#lib/contracts/function-manifest.ts";
import { type PoolClass, poolClassOf } from "../../core/pool/pool-class.ts";
import type { RunningProcess } from "../../launcher/messages.ts";
import type { DoorSettings } from "../door.ts";
import type { InstanceSpec } from "../driver.ts";
import {
  type Impossible,
  instanceCommand,
  instanceProgram,
  type SharedFolder,
  type Surroundings,
} from "../instance-command.ts";
import type { LauncherClient } from "../launcher-client.ts";
import type { Host } from "../probe-host.ts";
import type { Cell } from "../sandbox/open-sandbox.ts";
import type { Shelter } from "../sandbox/shelter.ts";
import { type RunnerPool, runnerPool } from "./runner-pool.ts";
import { runnerSlots } from "./runner-slots.ts";
import { poolLimits, runnerSpec } from "./runner-spec.ts";

/** As long as a launcher may take to start. */
const LAUNCHER_WAIT_MS = 5_000;

export interface PooledStartsOptions {
  readonly poolMegabytesMax: number;
  /** Nobody else's; where sandboxed runners see their code. */
  readonly slotsDirectory: string;
  /** As instances see it. */
  readonly socketPath: string;
  readonly shelter: Pick<Shelter, "isSandboxed" | "openCell">;
  readonly launcher: Pick<LauncherClient, "send" | "whenConnected">;
  readonly probeHost: (runtime: Runtime) => Promise<Host>;
  readonly nextId: () => string;
  /** No runner shows any: it cannot know whose it will be. */
  readonly sharedFolders: readonly SharedFolder[] | undefined;
  /** What runners of Python are forked from; absent: nothing. */
  readonly fork?: () => Surroundings["fork"];
}

export interface TakenRunner {
  readonly process: RunningProcess;
  readonly cell: Cell | undefined;
  /** It becomes the instance: it is told what a process of its own would have been started with. */
  readonly assign: (
    spec: InstanceSpec,
    settings: DoorSettings,
    note: unknown,
  ) => Promise<Impossible | undefined>;
}

export interface PooledStarts extends Omit<RunnerPool, "take"> {
  /** Undefined: nobody waits for it, or it needs a process of its own. */
  readonly take: (spec: InstanceSpec) => TakenRunner | undefined;
  /** The instance is gone that a runner became. */
  readonly left: (instance: string) => void;
  /** What agents before this one left running. */
  readonly onConnected: (running: readonly RunningProcess[]) => void;
}

/** Starts runners just as instances are started, in a sandbox where there is one, and turns them into instances. */
export function pooledStarts(options: PooledStartsOptions): PooledStarts {
  const { shelter, launcher, probeHost, sharedFolders = [] } = options;
  const slots = runnerSlots(options.slotsDirectory);
  const cells = new Map<string, Cell | undefined>();

  const launch = async (id: string, of: PoolClass): Promise<void> => {
    const cell = shelter.openCell();
    cells.set(id, cell);
    const [host, slot] = await Promise.all([probeHost(of.runtime), slots.open(id)]);
    const fork = options.fork?.();
    const how = instanceCommand(id, runnerSpec(of, slot), { host, cell, fork });
    if (how.kind === "impossible") throw new Error(how.reason);
    if (!(await launcher.whenConnected(LAUNCHER_WAIT_MS))) throw new Error("no launcher");
    const greeting = JSON.stringify({ isPooled: true, socketPath: options.socketPath });
    launcher.send({ kind: "start", instance: id, ...how.start, greeting });
  };
  /** Whether a runner's sandbox can show all that the function's own would. */
  const isShown = ({ functionName, codeDirectory }: InstanceSpec): boolean =>
    !sharedFolders.some(({ functions }) => functionName.startsWith(functions)) &&
    slots.fits(codeDirectory);
  const left = (id: string): void => {
    cells.get(id)?.leave();
    if (cells.delete(id)) slots.remove(id);
  };
  const pool = runnerPool({
    ...poolLimits(options.poolMegabytesMax),
    launch: (of) => {
      const id = options.nextId();
      return { id, launched: launch(id, of) };
    },
    kill: (id) => launcher.send({ kind: "kill", instance: id }),
    onGone: left,
    nowMs: () => performance.now(),
  });

  return {
    ...pool,
    take: (spec) => {
      const of = poolClassOf(spec);
      if (of === undefined) return undefined;
      if (shelter.isSandboxed && !isShown(spec)) return undefined;
      const process = pool.take(of);
      if (process === undefined) return undefined;
      const { instance: id } = process;
      const cell = cells.get(id);
      return {
        process,
        cell,
        assign: async (spec, { greeting, environment }, note) => {
          const [host] = await Promise.all([
            probeHost(spec.runtime),
            shelter.isSandboxed ? slots.fill(id, spec.codeDirectory) : undefined,
          ]);
          const of = instanceProgram(id, spec, { host, cell, environment });
          if (of.kind === "impossible") return of;
          const { environment: variables, directory } = of;
          const told = JSON.stringify({ ...greeting, environment: variables, directory });
          launcher.send({ kind: "greet", instance: id, greeting: told, note });
          return undefined;
        },
      };
    },
    left,
    onConnected: (running) => {
      const names = new Set(running.map(({ instance }) => instance));
      // Asked late: a runner may be given its slot in between.
      void slots.removeOthers((id) => names.has(id) || cells.has(id)).catch(() => undefined);
    },
  };
}
