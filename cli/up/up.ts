import { join } from "node:path";
import type { Credentials } from "#lib/contracts/run-endpoint.ts";
import { keepFile } from "#lib/io/keep-file.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { COMPILE_CACHE } from "../compile-cache.ts";
import { type ProgressStyle, showProgress } from "../show-progress.ts";
import { credentialsFile, REPOSITORY } from "../state-directory.ts";
import { claimState } from "./claim-state.ts";
import {
  CATALOG_GROUP,
  type Federation,
  groupOf,
  planPrograms,
  type ProgramName,
} from "./core/plan-programs.ts";
import { lastWords } from "./io/last-words.ts";
import { keptCredentials, refuseLostCatalog, settleKeyEncryptionKey } from "./io/kept-state.ts";
import { type RefreshedFile, refreshedFile } from "./io/refreshed-file.ts";
import { bequeathTable, withdrawEndpoint } from "./io/hand-over-files.ts";
import {
  clearRun,
  endLeftovers,
  prepareRun,
  registerFile,
  restoreConfig,
} from "./io/run-directory-files.ts";
import { planDown } from "./io/plan-down.ts";
import { type ApiKeys, completeKeys } from "./io/seed-catalog.ts";
import { spawnProgram } from "./io/spawn-program.ts";
import type { FileLock } from "#lib/io/file-lock.ts";
import { type CatalogWish, settleCatalog } from "./io/settle-catalog.ts";
import { startUpServer, type UpServer } from "./io/up-server.ts";
import { startingSteps } from "./starting-steps.ts";
import { createSupervisor, type Supervisor, type SupervisorPorts } from "./supervisor.ts";
import type { UpRecord, UpStatus } from "#lib/contracts/supervision.ts";
import { zoneActions } from "./zone-actions.ts";

const START_LIMIT_MS = 60_000;
/** A program that ended this often while everything starts will not come up by itself. */
const DEATHS_WHILE_STARTING = 4;

/** What the command line says of the federation to be. */
export interface FederationWish extends Omit<Federation, "catalog"> {
  readonly catalog: CatalogWish;
  /** Go on with a new key-encryption key where the old one is gone. */
  readonly acceptsKeyLoss: boolean;
}

export interface UpOptions {
  readonly federation: FederationWish;
  readonly progress: ProgressStyle;
  readonly environment: NodeJS.ProcessEnv;
  readonly say: (text: string) => void;
  /** Ends the start; a federation that has started is ended with `stop`. */
  readonly signal: AbortSignal;
}

export interface RunningFederation {
  readonly credentials: Credentials;
  readonly hasStarted: (group: string, program: ProgramName) => boolean;
  /** Drains and ends everything. */
  readonly stop: () => Promise<void>;
  /** Makes a stop that takes too long end at once. */
  readonly killAll: () => void;
}

/** Claims the state folder, starts every program at once, and resolves when all gateways serve the example. */
export async function startFederation(options: UpOptions): Promise<RunningFederation> {
  const { stateDirectory, basePort, zones, acceptsCatalogLoss } = options.federation;
  const ports = Array.from({ length: zones.length + 1 }, (_, offset) => basePort + offset);
  const lock = await claimState(stateDirectory, ports);
  await settleKeyEncryptionKey(stateDirectory, options.federation.acceptsKeyLoss);
  const settled = await settleCatalog(options.federation.catalog, {
    stateDirectory,
    zones: zones.map(({ name }) => name),
    environment: options.environment,
    acceptsLoss: acceptsCatalogLoss,
  });
  if (settled.plan.kind === "embedded") refuseLostCatalog(stateDirectory, acceptsCatalogLoss);
  const federation: Federation = { ...options.federation, catalog: settled.plan };
  const hopeless = new AbortController();
  const running = await launch(options, federation, lock, ({ program, zone, logFile }, deaths) => {
    if (deaths < DEATHS_WHILE_STARTING) return;
    const who = zone === null ? program : `${zone} ${program}`;
    hopeless.abort(new Error(`${who} does not start: ${lastWords(logFile)} (${logFile})`));
  });
  const startLimit = AbortSignal.timeout(START_LIMIT_MS);
  try {
    const starting = startingSteps({
      runDirectory: join(stateDirectory, "run"),
      zones: zones.map(({ name }) => name),
      catalog: settled.plan,
      credentials: running.credentials,
      hasStarted: running.hasStarted,
      isFirstStart: settled.isNew,
      clock: systemClock,
      signal: AbortSignal.any([options.signal, startLimit, hopeless.signal]),
    });
    await showProgress(options.progress, starting);
    return running;
  } catch (cause) {
    await running.stop();
    if (hopeless.signal.aborted) throw hopeless.signal.reason;
    if (!startLimit.aborted) throw cause;
    throw new Error(
      `not everything was ready after ${START_LIMIT_MS / 1_000} s: ${stateDirectory}/logs says why`,
      { cause },
    );
  }
}

/** Everything that lives as long as the federation: files, children, socket. */
async function launch(
  { environment, say }: UpOptions,
  federation: Federation,
  lock: FileLock,
  onDied: SupervisorPorts["onDied"],
): Promise<RunningFederation> {
  const { stateDirectory } = federation;
  const runDirectory = join(stateDirectory, "run");
  const plans = planPrograms(federation);
  const leftovers = await endLeftovers(runDirectory);
  if (leftovers > 0) say(`ended ${leftovers} processes that a killed "meridian up" had left here`);
  await prepareRun(runDirectory, plans);

  const apiKeys = completeKeys(await keptCredentials(stateDirectory, say));
  const credentials = (): Credentials => describeCredentials(federation, apiKeys, supervisor);
  const files = [
    refreshedFile(credentialsFile(stateDirectory), credentials, complain(say)),
    refreshedFile(
      registerFile(runDirectory),
      () => allProcesses(federation, supervisor),
      complain(say),
    ),
  ];
  const supervisor = createSupervisor(plans, {
    clock: systemClock,
    spawn: (plan, onMessage) => {
      restoreConfig(plan);
      return spawnProgram(
        {
          args: [join(REPOSITORY, plan.entry), "--config", plan.configFile],
          workingDirectory: REPOSITORY,
          logFile: plan.logFile,
          environment: childEnvironment(environment),
        },
        onMessage,
      );
    },
    say,
    onDied,
    onFell: (zone) =>
      say(
        `${zone} is lost: all its programs ended at once; "meridian zone start ${zone}" brings it back`,
      ),
    onProcessesChanged: () => refreshAll(files),
    bequeath: bequeathTable,
    onVacated: (plan) => withdrawEndpoint(runDirectory, plan),
  });
  for (const group of groupNames(federation)) supervisor.start(group);
  const server = await openSocket(federation, runDirectory, supervisor);
  await settleAll(files);
  return {
    credentials: credentials(),
    hasStarted: (group, program) =>
      supervisor
        .status(group)
        .filter((one) => one.program === program)
        .every(({ state }) => state === "ready"),
    killAll: supervisor.killAll,
    stop: async () => {
      await server.close();
      await supervisor.stopAll();
      refreshAll(files);
      await settleAll(files);
      await clearRun(runDirectory);
      lock.release();
    },
  };
}

async function openSocket(
  federation: Federation,
  runDirectory: string,
  supervisor: Supervisor,
): Promise<UpServer> {
  const zones = federation.zones.map(({ name }) => name);
  const endpoint = endpointOn(federation.basePort);
  const actions = zoneActions(supervisor, zones, systemClock, async (name) => {
    const zone = federation.zones.find((one) => one.name === name);
    if (zone !== undefined) await planDown(runDirectory, zone);
  });
  const server = await startUpServer(runDirectory, {
    ...actions,
    status: (): UpStatus => ({
      pid: process.pid,
      endpoint,
      groups: groupNames(federation).map((group) => ({
        zone: group === CATALOG_GROUP ? null : group,
        programs: [...supervisor.status(group)],
        pids: supervisor.processes(group).map(({ pid }) => pid),
      })),
    }),
  });
  const record: UpRecord = { pid: process.pid, endpoint, socketPath: server.socketPath };
  const file = join(runDirectory, "up.json");
  const text = `${JSON.stringify(record)}\n`;
  const kept = await keepFile(
    file,
    () => writeAtomically(file, text),
    (found) => found !== text,
  );
  return {
    ...server,
    close: async () => {
      await kept.close();
      await server.close();
    },
  };
}

const groupNames = (federation: Federation): string[] => [
  ...new Set(planPrograms(federation).map(groupOf)),
];

const allProcesses = (federation: Federation, supervisor: Supervisor) =>
  groupNames(federation).flatMap((group) => supervisor.processes(group));

const endpointOn = (port: number): string => `http://127.0.0.1:${port}`;

function describeCredentials(
  { zones, basePort }: Federation,
  apiKeys: ApiKeys,
  supervisor: Supervisor,
): Credentials {
  const ofZone = zones.map(({ name }, index): [string, Credentials["zones"][string]] => [
    name,
    {
      gateway: endpointOn(basePort + 1 + index),
      pids: supervisor.processes(name).map(({ pid }) => pid),
    },
  ]);
  return { endpoint: endpointOn(basePort), zones: Object.fromEntries(ofZone), ...apiKeys };
}

/** The programs get no key of a user; compiled code is kept, so that the next start is quicker. */
function childEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { MERIDIAN_KEY: _key, ...inherited } = environment;
  return { ...inherited, NODE_COMPILE_CACHE: COMPILE_CACHE };
}

const complain =
  (say: (text: string) => void) =>
  (error: unknown): void =>
    say(`cannot write into the state folder: ${String(error)}`);

function refreshAll(files: readonly RefreshedFile[]): void {
  for (const file of files) file.refresh();
}

const settleAll = (files: readonly RefreshedFile[]) =>
  Promise.all(files.map((file) => file.settled()));
