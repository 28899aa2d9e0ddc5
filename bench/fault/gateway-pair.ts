import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { codeFileName } from "#lib/ports/code-store.ts";
import { packFunction } from "../../chaos/io/pack-function.ts";
import { type BenchFolder, makeBenchFolder } from "../gateway/bench-folder.ts";
import {
  type BenchFunction,
  HOME,
  routeEntries,
  STANDBY,
  tenantKey,
  tenantName,
  ZONES,
} from "../gateway/route-entries.ts";
import { type BenchProgram, runProgram } from "../gateway/run-program.ts";
import { processTree } from "../processes.ts";
import { type Pair, readLedger } from "./pair.ts";

/** It writes down that it was started, before anything else, and answers the number of the call. */
const FUNCTION_FOLDER = join(import.meta.dirname, "../../chaos/functions/drill-ledger");
const FUNCTION_NAME = "ledger";
const TENANT = tenantName(0);
const CONCURRENCY = 16;
/** What the function answers where it works. */
const WARM_ID = "call to begin with";

/** The gateway of a zone, that zone's agent with its launcher and instances, and the agent of another zone that stands by. */
export async function startGatewayPair(isIdempotent: boolean): Promise<Pair> {
  await using opened = new AsyncDisposableStack();
  const folder = await makeBenchFolder();
  opened.defer(folder.remove);
  const ledger = await makeLedger(folder);
  const entries = routeEntries(1, [await ledgerFunction(folder, ledger, isIdempotent)]);
  const start = async (program: "agent" | "gateway", zone: string): Promise<BenchProgram> => {
    const stateDirectory = await folder.stateWith(`${zone}-${program}`, entries);
    const { runDirectory, bootTokenFile } = folder;
    const common = { zone, zones: ZONES, runDirectory, bootTokenFile, stateDirectory };
    const ports = { publicPort: 0, sharedPort: 0, drainMs: 1_000 };
    // Functions see nothing else of this machine.
    const sharedFolders = [{ path: dirname(ledger), functions: FUNCTION_NAME }];
    const patience = { drainMs: 1_000, farewellMs: 1 };
    const agents = { codeDirectory: codeDirectory(folder), sharedFolders, ...patience };
    const config = { ...common, ...(program === "agent" ? agents : ports), logLevel: "warn" };
    const running = await runProgram({ program, zone, runDirectory, stateDirectory, config });
    opened.defer(running.stop);
    return running;
  };
  const active = await start("agent", HOME.name);
  const standby = await start("agent", STANDBY.name);
  const gateway = await start("gateway", HOME.name);
  for (const agent of [active, standby]) await callOnce(agent, folder.bootToken);
  const running = opened.move();
  return {
    url: `${gateway.endpoint.urls.public}/v1/tenants/${TENANT}/functions/${FUNCTION_NAME}:invoke`,
    headers: { authorization: `Bearer ${tenantKey(0)}`, "content-type": "application/json" },
    activePids: () => processTree(active.pid),
    startedIds: () => readLedger(ledger),
    stop: () => running.disposeAsync(),
  };
}

/** Open to the users that instances run as. */
async function makeLedger(folder: BenchFolder): Promise<string> {
  const path = join(folder.path, "ledger");
  await mkdir(path);
  const ledger = join(path, "ledger.jsonl");
  await writeFile(ledger, "");
  await chmod(ledger, 0o666);
  return ledger;
}

const codeDirectory = (folder: BenchFolder): string => join(folder.path, "code");

async function ledgerFunction(
  folder: BenchFolder,
  ledger: string,
  isIdempotent: boolean,
): Promise<BenchFunction> {
  const { zip, digest } = await packFunction(FUNCTION_FOLDER);
  await mkdir(codeDirectory(folder), { recursive: true });
  await writeFile(join(codeDirectory(folder), codeFileName(digest)), zip);
  return {
    tenant: TENANT,
    name: FUNCTION_NAME,
    isIdempotent,
    concurrency: CONCURRENCY,
    environment: { DRILL_LEDGER_FILE: ledger },
    code: { digest, bytes: zip.length },
  };
}

/** Agents that have never served would be compared with servers that are up: each gets an instance beforehand. */
async function callOnce({ endpoint }: BenchProgram, bootToken: string): Promise<void> {
  const answer = await fetch(`${endpoint.urls.internal}/invoke`, {
    method: "POST",
    body: JSON.stringify({ id: WARM_ID }),
    headers: {
      [INVOCATION_HEADERS.bootToken]: bootToken,
      [INVOCATION_HEADERS.tenant]: TENANT,
      [INVOCATION_HEADERS.functionName]: FUNCTION_NAME,
      [INVOCATION_HEADERS.version]: "1",
      [INVOCATION_HEADERS.requestId]: "warm",
      [INVOCATION_HEADERS.door]: "invoke",
      [INVOCATION_HEADERS.deadlineMs]: "10000",
      [INVOCATION_HEADERS.attempt]: "1",
      "content-type": "application/json",
    },
  });
  const text = await answer.text();
  if (answer.status !== 200 || !text.includes(WARM_ID))
    throw new Error(`the agent of ${endpoint.zone} does not serve: ${text}`);
}
