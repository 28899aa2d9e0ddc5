import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import type { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import { planAliasMove } from "../../../federator/core/functions/plan-alias-move.ts";
import { planDeploy } from "../../../federator/core/functions/plan-deploy.ts";
import {
  planQuotaDecision,
  planQuotaRequest,
} from "../../../federator/core/quota/plan-quota-request.ts";
import { planFunctionRemoval } from "../../../federator/core/functions/plan-removals.ts";
import { NO_PRECONDITION } from "../../../federator/core/functions/preconditions.ts";
import { commitChange, type PlannedChange } from "../../../federator/io/api/commit-change.ts";
import {
  fetchFunctionState,
  noSuchFunction,
} from "../../../federator/io/functions/function-state.ts";
import {
  fetchRecord,
  readEach,
  readQuota,
  readQuotaRequest,
} from "../../../federator/io/read-records.ts";
import type { SeededRandom } from "../engine/seeded-random.ts";
import type { SimulatedFederator } from "./federator-process.ts";
import { manifestOf } from "./manifest.ts";
import { FUNCTION_NAMES, TENANTS } from "./tenants.ts";
import type { WriteOutcome } from "./world-events.ts";

/** A client's call, as an API route makes it: what is planned is planned by the production code. */
export type ClientCall = (
  federator: SimulatedFederator,
  requestId: string,
) => Promise<PlannedChange<unknown>>;

/** What the client is told at the end. */
export async function sendChange(
  federator: SimulatedFederator,
  requestId: string,
  call: ClientCall,
): Promise<WriteOutcome> {
  try {
    const { revision } = await commitChange(federator, () => call(federator, requestId));
    return { kind: "acknowledged", revision };
  } catch (error) {
    if (!(error instanceof MeridianError)) throw error;
    if (error.code === "MERIDIAN_WRITE_AMBIGUOUS") return { kind: "ambiguous" };
    return { kind: "refused", code: error.code };
  }
}

/** Changes that people make at the same moment, knowing nothing of each other: mostly one, on one of a few functions. */
export function rivalCalls(random: SeededRandom): readonly ClientCall[] {
  const tenant = random.pick(TENANTS);
  const functionName = random.pick(FUNCTION_NAMES);
  const count = random.chance(RIVALS_SHARE) ? 3 : 1;
  return Array.from({ length: count }, () => anyCall(random, tenant, functionName));
}

const RIVALS_SHARE = 0.2;

function anyCall(random: SeededRandom, tenant: string, functionName: string): ClientCall {
  const choice = random.next();
  if (choice < 0.45) return deploy(tenant, functionName, random.id(16));
  if (choice < 0.7) return moveAlias(tenant, functionName, random);
  if (choice < 0.85) return removeFunction(tenant, functionName);
  if (choice < 0.93) return requestQuota(tenant, 100 + random.index(2_000), random.id(10));
  return approveQuota(tenant);
}

const changeOf = (
  requestId: string,
  action: string,
  tenant: string,
  atMs: number,
): ChangeRecord => ({
  action,
  actor: "a-client",
  requestId,
  tenant,
  subject: action,
  detail: {},
  atMs,
});

const refused = (kind: string): MeridianError => new MeridianError("MERIDIAN_CONFLICT", kind);

function deploy(tenant: string, functionName: string, code: string): ClientCall {
  return async ({ catalog, host }, requestId) => {
    const wallMs = host.clock.wallMs();
    const state = await fetchFunctionState(catalog, tenant, functionName);
    const wish = {
      tenant,
      functionName,
      codeDigest: `sha256:${code.padEnd(64, "0").replaceAll(/[^0-9a-f]/g, "0")}`,
      codeBytes: 1_000,
      manifest: manifestOf(functionName),
      alias: "live",
      secrets: [],
      precondition: NO_PRECONDITION,
    };
    const plan = planDeploy(state, wish, wallMs);
    if (plan.kind !== "deploy") throw refused(plan.kind);
    const change = changeOf(requestId, "functions.deploy", tenant, wallMs);
    return { transaction: plan.transaction, change, outcome: undefined };
  };
}

function moveAlias(tenant: string, functionName: string, random: SeededRandom): ClientCall {
  const alias = random.pick(["live", "next", "stable"]);
  const back = random.index(4);
  return async ({ catalog, host }, requestId) => {
    const wallMs = host.clock.wallMs();
    const state = await fetchFunctionState(catalog, tenant, functionName);
    const version = state.versions.at(-1 - back) ?? state.versions.at(-1) ?? 1;
    const wish = { alias, version, precondition: NO_PRECONDITION };
    const plan = planAliasMove(state, wish, wallMs);
    if (plan.kind !== "move") throw refused(plan.kind);
    const change = changeOf(requestId, "aliases.move", tenant, wallMs);
    return { transaction: plan.transaction, change, outcome: undefined };
  };
}

function removeFunction(tenant: string, functionName: string): ClientCall {
  return async ({ catalog, host }, requestId) => {
    const wallMs = host.clock.wallMs();
    const state = await fetchFunctionState(catalog, tenant, functionName);
    const { record } = state;
    if (record === undefined) throw noSuchFunction(tenant, functionName);
    const plan = planFunctionRemoval({ ...state, record }, NO_PRECONDITION, wallMs, undefined);
    if (plan.kind !== "remove") throw refused(plan.kind);
    const change = changeOf(requestId, "functions.delete", tenant, wallMs);
    return { transaction: plan.transaction, change, outcome: undefined };
  };
}

function requestQuota(tenant: string, desiredValue: number, id: string): ClientCall {
  return async ({ catalog, replica, host }, requestId) => {
    const wallMs = host.clock.wallMs();
    const quotaCode = "requests-per-second";
    const quota = readQuota(await fetchRecord(catalog, keys.quota(tenant)))?.value;
    const marker = await fetchRecord(catalog, keys.openQuotaRequest(tenant, quotaCode));
    if (quota === undefined) throw refused("no-quota");
    const plan = planQuotaRequest(
      { id: `qr-${id}`, tenant, quotaCode, desiredValue, reason: "more", actor: "a-client" },
      quota,
      marker === undefined ? undefined : String(JSON.parse(marker.value)),
      openRequests(replica, tenant),
      wallMs,
    );
    if (plan.kind !== "request") throw refused(plan.kind);
    const change = changeOf(requestId, "quota-requests.create", tenant, wallMs);
    return { transaction: plan.transaction, change, outcome: undefined };
  };
}

const openRequests = (replica: SimulatedFederator["replica"], tenant: string) =>
  readEach(replica.list(prefixes.quotaRequests), readQuotaRequest)
    .map(({ value }) => value)
    .filter((request) => request.tenant === tenant);

function approveQuota(tenant: string): ClientCall {
  return async ({ catalog, replica, host }, requestId) => {
    const wallMs = host.clock.wallMs();
    const open = openRequests(replica, tenant).find(({ state }) => state === "PENDING");
    if (open === undefined) throw refused("nothing-open");
    const held = readQuotaRequest(await fetchRecord(catalog, keys.quotaRequest(open.id)));
    const quota = readQuota(await fetchRecord(catalog, keys.quota(tenant)));
    if (held === undefined || quota === undefined) throw refused("gone");
    const decision = { verb: "approve", actor: "an-approver", reason: null } as const;
    const plan = planQuotaDecision(held, quota, decision, wallMs);
    if (plan.kind === "own-request" || plan.kind === "already-decided") throw refused(plan.kind);
    const change = changeOf(requestId, "quota-requests.approve", tenant, wallMs);
    return { transaction: plan.transaction, change, outcome: undefined };
  };
}
