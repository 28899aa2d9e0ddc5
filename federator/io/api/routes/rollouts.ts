import { randomBytes } from "node:crypto";
import { StartRollout } from "#lib/contracts/api.ts";
import { functionPrefix, keys } from "#lib/contracts/catalog-keys.ts";
import { RolloutRecord } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import { runningRollout } from "../../../core/functions/function-state.ts";
import {
  planRolloutStart,
  type RolloutStartPlan,
} from "../../../core/functions/plan-rollout-start.ts";
import { holds } from "../../../core/functions/preconditions.ts";
import { modifiedAt, put } from "../../../core/transactions.ts";
import { type Api, type ApiPorts, callerOf, changeBy } from "../api-context.ts";
import { commitChange, untilEnforced } from "../commit-change.ts";
import { changedMeanwhile, etag, readPrecondition, rolloutRuns } from "../etags.ts";
import { fetchStandingFunction, noSuchFunction } from "../../functions/function-state.ts";
import { pageRecords } from "../page-records.ts";
import { refuseUnprovedMove } from "../../functions/refuse-unproved.ts";
import { refuseWider } from "../../functions/refuse-wider.ts";
import { readRollout } from "../../read-records.ts";
import { AliasPath, FunctionPath, JSON_BODY_BYTES_MAX, PageQuery, pageOf } from "./schemas.ts";

// The expression ends the parameter at the colon; a doubled colon stands for itself.
const ALIAS = "/v1/tenants/:tenant/functions/:functionName/aliases/:alias(^[^:]+)";

export function rolloutRoutes(api: Api, ports: ApiPorts): void {
  const { replica } = ports;
  api.get(
    "/v1/tenants/:tenant/functions/:functionName/rollouts",
    {
      config: { action: "functions.read" },
      schema: {
        params: FunctionPath,
        querystring: PageQuery,
        response: { 200: pageOf(RolloutRecord) },
      },
    },
    async (request) => {
      const { tenant, functionName } = request.params;
      if (replica.get(keys.function(tenant, functionName)) === undefined)
        throw noSuchFunction(tenant, functionName);
      const prefix = functionPrefix("rollouts", tenant, functionName);
      return pageRecords(replica, prefix, readRollout, request.query);
    },
  );
  startingRoute(api, ports);
  cancellingRoute(api, ports);
}

function startingRoute(api: Api, ports: ApiPorts): void {
  const { catalog, clock } = ports;
  api.post(
    `${ALIAS}::rollout`,
    {
      config: { action: "rollouts.start" },
      bodyLimit: JSON_BODY_BYTES_MAX,
      schema: { params: AliasPath, body: StartRollout, response: { 201: RolloutRecord } },
    },
    async (request, reply) => {
      const { tenant, functionName, alias } = request.params;
      const wish = {
        ...request.body,
        id: `ro-${randomBytes(8).toString("hex")}`,
        alias,
        startedBy: callerOf(request).actor,
        precondition: readPrecondition(request.headers),
      };
      const zones = ports.zones.map(({ name }) => name);
      const committed = await commitChange(ports, async () => {
        const state = await fetchStandingFunction(catalog, tenant, functionName);
        const plan = planRolloutStart(state, wish, zones, clock.wallMs());
        if (plan.kind !== "start") throw refusal(plan, request.params, request.body, zones);
        const { record } = plan;
        const before = state.aliases.find(({ value }) => value.alias === alias)?.value;
        const { acceptWiderPlacement } = request.body;
        const versions = [record.toVersion];
        await refuseWider(ports, { before, versions, acceptWiderPlacement });
        await refuseUnprovedMove(ports, request.params, before, versions);
        const subject = `rollouts/${tenant}/${functionName}/${alias}`;
        return {
          transaction: plan.transaction,
          change: changeBy(request, "rollouts.start", tenant, subject, clock.wallMs(), {
            rollout: record.id,
            from: record.fromVersion,
            to: record.toVersion,
            steps: record.stepPercents.join(" "),
            zones: record.zones.join(" "),
          }),
          outcome: record,
        };
      });
      await untilEnforced(ports, committed.revision);
      reply.code(201).header("etag", etag(committed.revision));
      return committed.outcome;
    },
  );
}

/** All calls go to the old version again as soon as this answers. */
function cancellingRoute(api: Api, ports: ApiPorts): void {
  const { catalog, clock } = ports;
  api.post(
    `${ALIAS}::cancel-rollout`,
    {
      config: { action: "rollouts.cancel" },
      bodyLimit: JSON_BODY_BYTES_MAX,
      schema: { params: AliasPath, response: { 200: RolloutRecord } },
    },
    async (request, reply) => {
      const { tenant, functionName, alias } = request.params;
      const precondition = readPrecondition(request.headers);
      const committed = await commitChange(ports, async () => {
        const state = await fetchStandingFunction(catalog, tenant, functionName);
        const held = runningRollout(state, alias);
        if (!holds(precondition, held?.modRevision ?? null))
          throw changedMeanwhile(`the rollout of ${alias}`, held?.modRevision ?? null);
        if (held === undefined) throw noneRuns(functionName, alias);
        const wallMs = clock.wallMs();
        const by = callerOf(request).actor;
        const record: RolloutRecord = {
          ...held.value,
          state: "cancelled",
          reason: `by ${by}`,
          changedAtMs: wallMs,
        };
        const key = keys.rollout(tenant, functionName, alias);
        const subject = `rollouts/${tenant}/${functionName}/${alias}`;
        return {
          transaction: { compares: [modifiedAt(key, held)], operations: [put(key, record)] },
          change: changeBy(request, "rollouts.cancel", tenant, subject, wallMs, {
            rollout: record.id,
            from: record.fromVersion,
            to: record.toVersion,
          }),
          outcome: record,
        };
      });
      await untilEnforced(ports, committed.revision);
      reply.header("etag", etag(committed.revision));
      return committed.outcome;
    },
  );
}

const noneRuns = (functionName: string, alias: string): MeridianError =>
  new MeridianError("MERIDIAN_CONFLICT", `No rollout of ${functionName} is moving ${alias} now.`);

function refusal(
  plan: Exclude<RolloutStartPlan, { readonly kind: "start" }>,
  { functionName, alias }: { readonly functionName: string; readonly alias: string },
  { version }: StartRollout,
  zones: readonly string[],
): MeridianError {
  switch (plan.kind) {
    case "alias-missing":
      return new MeridianError(
        "MERIDIAN_NOT_FOUND",
        `The function ${functionName} has no alias ${alias}, and so no version to compare with; PUT {version} makes it.`,
      );
    case "version-missing":
      return new MeridianError(
        "MERIDIAN_NOT_FOUND",
        `The function ${functionName} has no version ${version}; list its versions and choose one.`,
      );
    case "changed-meanwhile":
      return changedMeanwhile(`the alias ${alias}`, plan.revision);
    case "steps-invalid":
      return new MeridianError(
        "MERIDIAN_WEIGHTS_INVALID",
        "The steps of a rollout grow from one to the next, and the last one is 100.",
      );
    case "zones-unknown":
      return new MeridianError(
        "MERIDIAN_REGION_UNKNOWN",
        `There is no zone ${plan.zones.join(", ")}; choose from ${zones.join(", ")}.`,
      );
    case "rollout-running":
      return rolloutRuns(plan.rollout);
    case "not-now":
      return new MeridianError(
        "MERIDIAN_CONFLICT",
        `The alias ${alias} cannot be rolled out now: ${plan.reason}.`,
      );
  }
}
