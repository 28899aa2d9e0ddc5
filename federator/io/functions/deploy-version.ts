import type { FastifyRequest } from "fastify";
import type { Deployed } from "#lib/contracts/api.ts";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import type { AliasRecord, VersionRecord } from "#lib/contracts/catalog-records.ts";
import type { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { Placement } from "#lib/contracts/placement.ts";
import { LIVE_ALIAS } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import type { StoredCode } from "#lib/ports/code-store.ts";
import { permittedZones } from "#lib/residency.ts";
import { canonicalJson } from "#lib/table-digest.ts";
import {
  ALIASES_MAX,
  type FunctionState,
  functionRevision,
  VERSIONS_MAX,
} from "../../core/functions/function-state.ts";
import { type DeployPlan, type DeployWish, planDeploy } from "../../core/functions/plan-deploy.ts";
import { type ApiPorts, changeBy } from "../api/api-context.ts";
import { checkFallback, checkHandler, checkManifest, checkPlacement } from "./check-deploy.ts";
import { commitChange, untilEnforced } from "../api/commit-change.ts";
import { changedMeanwhile, rolloutRuns } from "../api/etags.ts";
import { fetchFunctionState } from "./function-state.ts";
import { lastKnownVersion } from "./known-numbers.ts";
import { refuseUnproved } from "./refuse-unproved.ts";
import { fetchRecord, readVersion } from "../read-records.ts";
import { scanRecords } from "../api/scan-records.ts";
import { isCodeReceipt } from "../code/code-receipt.ts";
import { codeNotFound, obtainCode, spreadCode } from "../code/spread-code.ts";
import { whoMustKnow } from "../api/who-must-know.ts";

/** A tenant with more would be one for a federation of its own; counted on this zone's replica, so that a few may slip through. */
export const FUNCTIONS_MAX = 10_000;

export interface DeployRequest extends Pick<DeployWish, "tenant" | "functionName" | "codeDigest"> {
  /** That the tenant brought the code; without it, the code must be that of the version it follows. */
  readonly codeReceipt: string | undefined;
  readonly manifest: Omit<FunctionManifest, "placement">;
  /** Where it may run, beside where the version it follows may. */
  readonly placementAfter: (standing: Placement | undefined) => Placement;
  /** What the catalog's state of the function leaves to decide; called again when it changed meanwhile. */
  readonly wish: (
    state: FunctionState,
  ) => Promise<Pick<DeployWish, "alias" | "secrets" | "precondition">>;
  /** True: where the alias leads to the same already, nothing is changed. */
  readonly isDeclaration: boolean;
  /** How the audit calls it. */
  readonly action: string;
}

export interface DeployOutcome {
  readonly kind: "created" | "updated" | "as-it-was";
  readonly deployed: Deployed;
  /** The version it follows, whose placement it began from; null: there was none. */
  readonly follows: number | null;
}

/** Deploy: check, make the code durable, then one revision, then wait for those who have to know. */
export async function deployVersion(
  ports: ApiPorts,
  request: Pick<FastifyRequest, "id" | "caller">,
  asked: DeployRequest,
): Promise<DeployOutcome> {
  const { tenant, functionName, codeDigest } = asked;
  checkManifest(asked.manifest, functionName);
  const find = async () => {
    const state = await fetchFunctionState(ports.catalog, tenant, functionName);
    const standing = await fetchStandingVersion(ports, state);
    refuseForeignCode(ports, asked, standing);
    const placement = asked.placementAfter(standing?.manifest.placement);
    return { state, follows: standing?.version ?? null, placement };
  };
  const { placement } = await find();
  checkPlacement(placement, ports.zones);
  const manifest = { ...asked.manifest, placement };
  const residency = permittedZones(placement.regions, ports.zones);
  refuseUnproved(ports, manifest);
  const code = await obtainCode(ports, codeDigest);
  checkHandler(manifest, await ports.codeStore.filesOf(codeDigest));
  const plan = async () => {
    const { state, follows, placement: placementNow } = await find();
    // The code went where the placement was then; it is not sent behind the caller's back to where it is now.
    if (canonicalJson(placementNow) !== canonicalJson(placement))
      throw changedMeanwhile(`the placement of ${functionName}`, functionRevision(state));
    if (state.record === undefined) refuseTooMany(ports, tenant);
    checkFallback(manifest, state.versions);
    const more = await asked.wish(state);
    const wish = {
      tenant,
      functionName,
      codeDigest,
      codeBytes: code.bytes,
      manifest,
      lastKnownVersion: lastKnownVersion(ports.replica, tenant, functionName),
      ...more,
    };
    const planned = planDeploy(state, wish, ports.clock.wallMs());
    if (planned.kind !== "deploy") throw refusal(planned, functionName);
    return { planned, state, follows };
  };
  // Once before the code travels, so that a record that cannot be is told first.
  const first = await plan();
  const codeZones = await spreadCode(ports, code, residency);
  if (asked.isDeclaration) {
    const standing = await findSame(ports, first.state, first.planned);
    if (standing !== undefined) {
      const gateways = await untilEnforced(ports, standing.revision);
      const deployed = { ...standing, codeZones, gateways };
      return { kind: "as-it-was", deployed, follows: first.follows };
    }
  }

  const committed = await commitChange(ports, async () => {
    const { planned, state, follows } = await plan();
    const { version, alias, isNewFunction, transaction } = planned;
    const subject = `functions/${tenant}/${functionName}`;
    return {
      transaction,
      change: changeBy(request, asked.action, tenant, subject, version.createdAtMs, {
        version: version.version,
        alias: alias?.alias ?? null,
        codeDigest,
      }),
      outcome: { version, alias, before: aliasOf(state, alias?.alias), isNewFunction, follows },
    };
  });
  const { revision, outcome } = committed;
  const who = await whoMustKnow(ports, outcome.before, outcome.alias);
  const gateways = await untilEnforced(ports, revision, who);
  if (!codeZones.includes(ports.zone)) await forgetStaged(ports, code);
  const { version, alias, isNewFunction } = outcome;
  const deployed = { version, alias, codeZones, revision, gateways };
  return { kind: isNewFunction ? "created" : "updated", deployed, follows: outcome.follows };
}

/** The version behind `live`, or the newest where nothing is live yet: the one whose placement a new version keeps. */
async function fetchStandingVersion(
  { catalog }: Pick<ApiPorts, "catalog">,
  state: FunctionState,
): Promise<VersionRecord | undefined> {
  if (state.record === undefined) return undefined;
  const { tenant, name } = state.record.value;
  const number = aliasOf(state, LIVE_ALIAS)?.version ?? state.versions.at(-1);
  if (number === undefined) return undefined;
  const held = readVersion(await fetchRecord(catalog, keys.version(tenant, name, number)));
  // To take it for one that may run anywhere would let calls out of their regions.
  if (held === undefined)
    throw new MeridianError(
      "MERIDIAN_CONFLICT",
      `Version ${number} of ${name} cannot be read, and so its placement cannot be kept; point ${LIVE_ALIAS} at another version, and deploy again.`,
    );
  return held.value;
}

/** In the words of code that is not there: whether another tenant has it is nobody's business. */
function refuseForeignCode(
  { bootToken }: ApiPorts,
  { tenant, codeDigest, codeReceipt }: DeployRequest,
  standing: VersionRecord | undefined,
): void {
  if (standing?.codeDigest === codeDigest) return;
  if (!isCodeReceipt(codeReceipt, bootToken, tenant, codeDigest)) throw codeNotFound(codeDigest);
}

function refuseTooMany({ replica }: ApiPorts, tenant: string): void {
  if (replica.count(`${prefixes.functions}${tenant}/`) < FUNCTIONS_MAX) return;
  throw new MeridianError(
    "MERIDIAN_LIMIT_REACHED",
    `The tenant ${tenant} has ${FUNCTIONS_MAX} functions, as many as it may; delete some that are not needed, or use another tenant.`,
  );
}

const aliasOf = (state: FunctionState, alias: string | undefined): AliasRecord | undefined =>
  state.aliases.find(({ value }) => value.alias === alias)?.value;

type Planned = Extract<DeployPlan, { kind: "deploy" }>;

/** What the alias leads to now, where that is just what was planned. */
async function findSame(
  { catalog }: ApiPorts,
  state: FunctionState,
  { version, alias }: Planned,
): Promise<Pick<Deployed, "version" | "alias" | "revision"> | undefined> {
  const held = state.aliases.find(({ value }) => value.alias === alias?.alias);
  if (held === undefined || held.value.additionalVersions !== undefined) return undefined;
  const { tenant, functionName } = version;
  const key = keys.version(tenant, functionName, held.value.version);
  const now = readVersion(await fetchRecord(catalog, key))?.value;
  if (now === undefined) return undefined;
  const essence = ({ codeDigest, manifest, secretRevisions }: Planned["version"]): string =>
    canonicalJson({ codeDigest, manifest, secretRevisions });
  if (essence(now) !== essence(version)) return undefined;
  return { version: now, alias: held.value, revision: held.modRevision };
}

function refusal(plan: Exclude<DeployPlan, Planned>, functionName: string): MeridianError {
  switch (plan.kind) {
    case "changed-meanwhile":
      return changedMeanwhile(`the function ${functionName}`, plan.revision);
    case "rollout-running":
      return rolloutRuns(plan.rollout);
    case "too-many-aliases":
      return new MeridianError(
        "MERIDIAN_LIMIT_REACHED",
        `The function ${functionName} has ${ALIASES_MAX} aliases, as many as it may; delete one, or move one of them.`,
      );
    case "too-many-versions":
      return new MeridianError(
        "MERIDIAN_LIMIT_REACHED",
        `The function ${functionName} has ${VERSIONS_MAX} versions, and aliases point at all of them; delete or move an alias, so that an old version can go.`,
      );
    case "record-too-large":
      return new MeridianError(
        "MERIDIAN_MANIFEST_INVALID",
        `The version's record has ${plan.bytes} bytes as JSON, at most ${plan.bytesMax} are kept; shorten the environment, or read it from the code.`,
      );
  }
}

/** This zone may not keep the code: it only passed it on. Whoever else asked for it meanwhile, or uses it, keeps it. */
async function forgetStaged(ports: ApiPorts, { digest, claim }: StoredCode): Promise<void> {
  const { codeStore, zones, zone } = ports;
  for await (const record of scanRecords(ports, prefixes.versions, digest)) {
    const regions = readVersion(record)?.value.manifest.placement.regions ?? [];
    if (permittedZones(regions, zones).some(({ name }) => name === zone)) return;
  }
  await codeStore.remove(digest, claim);
}
