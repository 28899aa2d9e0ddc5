import { chmodSync, linkSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DRILL_FUNCTIONS, drillLedgersOf } from "#lib/drill-ledger.ts";
import { MeridianError, ERRORS } from "#lib/errors.ts";
import { WARM_UP_MARK } from "../core/judge-validity.ts";
import type { LedgerFunctions } from "../core/plan-series.ts";
import { openCaller } from "../load/send-call.ts";
import type { Federation } from "./federation.ts";
import { type ManagementClient, managementClient } from "./management-client.ts";
import { packFunction, readManifest } from "./pack-function.ts";

const FOLDER = join(import.meta.dirname, "..", "functions", "drill-ledger");
const DEPLOY_TRIES = 5;
const WARM_UP_TRIES = 5;
const BETWEEN_TRIES_MS = 500;
const WARM_UP_LIMIT_MS = 10_000;

/** Names of this run alone, so that nobody's function is replaced and what is left behind is known. */
export const ledgerFunctions = (runId: string): LedgerFunctions => ({
  idempotent: `${DRILL_FUNCTIONS}${runId}-idempotent`,
  once: `${DRILL_FUNCTIONS}${runId}-once`,
});

/**
 * Begins the ledger where instances in their sandboxes may write to it, whatever users they have, and shows it in the report's folder,
 * where it stays. On another disk than the federation's state, which has no room for two names of one file, it is there alone.
 */
export function beginLedger(stateDirectory: string, runId: string, reportFile: string): string {
  const folder = drillLedgersOf(stateDirectory);
  const ledgerFile = join(folder, `${runId}.jsonl`);
  try {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o777);
    writeFileSync(ledgerFile, "");
    chmodSync(ledgerFile, 0o666);
    rmSync(reportFile, { force: true });
    linkSync(ledgerFile, reportFile);
    return ledgerFile;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EXDEV")) throw error;
    writeFileSync(reportFile, "", { mode: 0o600 });
    return reportFile;
  }
}

/** Deploys the function under test twice: one that may be called again, and one that must not. */
export async function deployLedger(
  federation: Federation,
  tenant: string,
  functions: LedgerFunctions,
  ledgerFile: string,
  signal: AbortSignal,
): Promise<void> {
  const { doors, credentials } = federation;
  const client = managementClient(doors.endpoint, credentials.operator.apiKey);
  const code = await packFunction(FOLDER);
  for (const name of [functions.idempotent, functions.once]) {
    const manifest = await readManifest(FOLDER, {
      name,
      idempotent: name === functions.idempotent,
      environment: { DRILL_LEDGER_FILE: ledgerFile },
    });
    await patiently(() => client.deploy(tenant, code, manifest, signal), signal);
  }
}

async function patiently(
  deploy: () => ReturnType<ManagementClient["deploy"]>,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await deploy();
    } catch (error) {
      const mayRepeat = error instanceof MeridianError && ERRORS[error.code].retryable;
      if (!mayRepeat || attempt === DEPLOY_TRIES) throw error;
      await delay(BETWEEN_TRIES_MS, undefined, { signal });
    }
  }
}

/** One good answer of each function from each zone: the drill is about a dead zone, not about cold starts. */
export async function warmUp(
  { doors }: Federation,
  caller: { readonly tenant: string; readonly apiKey: string },
  functions: LedgerFunctions,
  runId: string,
  signal: AbortSignal,
): Promise<void> {
  for (const { zone, url } of doors.gateways) {
    const client = openCaller(url, caller);
    try {
      for (const name of [functions.idempotent, functions.once]) {
        let seen = "";
        for (let attempt = 1; attempt <= WARM_UP_TRIES; attempt += 1) {
          const id = `${runId}${WARM_UP_MARK}${zone}-${name}-${attempt}`;
          const ending = await client.send(name, id, zone, WARM_UP_LIMIT_MS, 0);
          seen = ending.outcome === "ok" ? "" : `${ending.outcome} ${ending.detail ?? ""}`;
          if (seen === "") break;
          await delay(BETWEEN_TRIES_MS, undefined, { signal });
        }
        if (seen !== "") throw new Error(`${name} gives no good answer from ${zone}: ${seen}`);
      }
    } finally {
      client.close();
    }
  }
}
