import { MoveAlias, WAITING_HEADER } from "#lib/contracts/api.ts";
import { functionPrefix, keys } from "#lib/contracts/catalog-keys.ts";
import { AliasRecord } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import { ALIASES_MAX } from "../../../core/functions/function-state.ts";
import { type AliasPlan, planAliasMove } from "../../../core/functions/plan-alias-move.ts";
import { planAliasRemoval } from "../../../core/functions/plan-removals.ts";
import { type Api, type ApiPorts, changeBy } from "../api-context.ts";
import { commitChange, untilEnforced } from "../commit-change.ts";
import { changedMeanwhile, etag, readPrecondition, rolloutRuns } from "../etags.ts";
import {
  fetchFunctionState,
  fetchStandingFunction,
  noSuchFunction,
} from "../../functions/function-state.ts";
import { pageRecords } from "../page-records.ts";
import { refuseUnprovedMove } from "../../functions/refuse-unproved.ts";
import { refuseWider } from "../../functions/refuse-wider.ts";
import { readAlias } from "../../read-records.ts";
import { refuseRemoval } from "../refuse-removal.ts";
import { whoMustKnow } from "../who-must-know.ts";
import { AliasPath, FunctionPath, JSON_BODY_BYTES_MAX, PageQuery, pageOf } from "./schemas.ts";

const ALIAS = "/v1/tenants/:tenant/functions/:functionName/aliases/:alias";

export function aliasRoutes(api: Api, ports: ApiPorts): void {
  const { catalog, clock } = ports;
  readingRoutes(api, ports);

  api.put(
    ALIAS,
    {
      config: { action: "aliases.move" },
      bodyLimit: JSON_BODY_BYTES_MAX,
      schema: { params: AliasPath, body: MoveAlias, response: { 200: AliasRecord } },
    },
    async (request, reply) => {
      const { tenant, functionName, alias } = request.params;
      const { version, additionalVersions = [], acceptWiderPlacement } = request.body;
      const precondition = readPrecondition(request.headers);
      const committed = await commitChange(ports, async () => {
        const state = await fetchFunctionState(catalog, tenant, functionName);
        const wish = { ...request.body, alias, precondition };
        const plan = planAliasMove(state, wish, clock.wallMs());
        if (plan.kind !== "move") throw refusal(plan, request.params);
        const before = state.aliases.find(({ value }) => value.alias === alias)?.value;
        const versions = [version, ...additionalVersions.map((one) => one.version)];
        await refuseWider(ports, { before, versions, acceptWiderPlacement });
        await refuseUnprovedMove(ports, request.params, before, versions);
        const subject = `aliases/${tenant}/${functionName}/${alias}`;
        return {
          transaction: plan.transaction,
          change: changeBy(request, "aliases.move", tenant, subject, clock.wallMs(), {
            from: plan.from,
            to: version,
            shares: additionalVersions.map((one) => `${one.version}=${one.percent}%`).join(" "),
          }),
          outcome: { before, after: plan.record },
        };
      });
      const { before, after } = committed.outcome;
      const who = await whoMustKnow(ports, before, after);
      const { waiting } = await untilEnforced(ports, committed.revision, who);
      if (waiting.length > 0) reply.header(WAITING_HEADER, waiting.join(", "));
      reply.header("etag", etag(committed.revision));
      return after;
    },
  );

  api.delete(
    ALIAS,
    { config: { action: "aliases.delete" }, schema: { params: AliasPath } },
    async (request, reply) => {
      const { tenant, functionName, alias } = request.params;
      const precondition = readPrecondition(request.headers);
      const { revision } = await commitChange(ports, async () => {
        const state = await fetchStandingFunction(catalog, tenant, functionName);
        const plan = planAliasRemoval(state, alias, precondition);
        if (plan.kind !== "remove") throw refuseRemoval(plan, `the alias ${alias}`);
        const subject = `aliases/${tenant}/${functionName}/${alias}`;
        return {
          transaction: plan.transaction,
          change: changeBy(request, "aliases.delete", tenant, subject, clock.wallMs()),
          outcome: undefined,
        };
      });
      await untilEnforced(ports, revision);
      return reply.code(204).send();
    },
  );
}

function readingRoutes(api: Api, { replica }: ApiPorts): void {
  api.get(
    "/v1/tenants/:tenant/functions/:functionName/aliases",
    {
      config: { action: "functions.read" },
      schema: {
        params: FunctionPath,
        querystring: PageQuery,
        response: { 200: pageOf(AliasRecord) },
      },
    },
    async (request) => {
      const { tenant, functionName } = request.params;
      if (replica.get(keys.function(tenant, functionName)) === undefined)
        throw noSuchFunction(tenant, functionName);
      const prefix = functionPrefix("aliases", tenant, functionName);
      return pageRecords(replica, prefix, readAlias, request.query);
    },
  );

  api.get(
    ALIAS,
    {
      config: { action: "functions.read" },
      schema: { params: AliasPath, response: { 200: AliasRecord } },
    },
    async (request, reply) => {
      const { tenant, functionName, alias } = request.params;
      if (replica.get(keys.function(tenant, functionName)) === undefined)
        throw noSuchFunction(tenant, functionName);
      const held = readAlias(replica.get(keys.alias(tenant, functionName, alias)));
      if (held === undefined)
        throw new MeridianError(
          "MERIDIAN_NOT_FOUND",
          `The function ${functionName} has no alias ${alias}; PUT {version} makes it.`,
        );
      reply.header("etag", etag(held.modRevision));
      return held.value;
    },
  );
}

function refusal(
  plan: Exclude<AliasPlan, { kind: "move" }>,
  path: { readonly tenant: string; readonly functionName: string; readonly alias: string },
): MeridianError {
  switch (plan.kind) {
    case "function-missing":
      return noSuchFunction(path.tenant, path.functionName);
    case "version-missing":
      return new MeridianError(
        "MERIDIAN_NOT_FOUND",
        `The function ${path.functionName} has no version ${plan.version}; list its versions and choose one.`,
      );
    case "changed-meanwhile":
      return changedMeanwhile(`the alias ${path.alias}`, plan.revision);
    case "weights-invalid":
      return new MeridianError(
        "MERIDIAN_WEIGHTS_INVALID",
        `The shares do not make a whole: ${plan.reason}. Each version stands there once, and the first one takes what the others leave of 100 %, at least 1.`,
      );
    case "rollout-running":
      return rolloutRuns(plan.rollout);
    case "too-many-aliases":
      return new MeridianError(
        "MERIDIAN_LIMIT_REACHED",
        `The function ${path.functionName} has ${ALIASES_MAX} aliases, as many as it may; delete one, or move one of them.`,
      );
  }
}
