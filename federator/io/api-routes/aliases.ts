import { MoveAlias } from "#lib/contracts/api.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { AliasRecord } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import { type AliasPlan, parseIfMatch, planAliasMove } from "../../core/plan-alias-move.ts";
import { ALIASES_MAX } from "../../core/plan-deploy.ts";
import { type Api, type ApiPorts, changeBy } from "../api-context.ts";
import { commitChange, untilEnforced } from "../commit-change.ts";
import { fetchFunctionState, noSuchFunction } from "../function-state.ts";
import { readAlias } from "../read-records.ts";
import { AliasPath, JSON_BODY_BYTES_MAX } from "./schemas.ts";

/** The alias's ETag is the revision that wrote it. */
const etag = (revision: number): string => `"${revision}"`;

export function aliasRoutes(api: Api, ports: ApiPorts): void {
  const { catalog, replica, clock } = ports;

  api.get(
    "/v1/tenants/:tenant/functions/:functionName/aliases/:alias",
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

  api.put(
    "/v1/tenants/:tenant/functions/:functionName/aliases/:alias",
    {
      config: { action: "aliases.move" },
      bodyLimit: JSON_BODY_BYTES_MAX,
      schema: { params: AliasPath, body: MoveAlias, response: { 200: AliasRecord } },
    },
    async (request, reply) => {
      const { tenant, functionName, alias } = request.params;
      const { version } = request.body;
      const ifMatch = parseIfMatch(request.headers["if-match"]);
      if (ifMatch === null) throw changedMeanwhile(alias, null);
      const committed = await commitChange(ports, async () => {
        const state = await fetchFunctionState(catalog, tenant, functionName);
        const plan = planAliasMove(state, { alias, version, ifMatch }, clock.wallMs());
        if (plan.kind !== "move") throw refusal(plan, request.params, version);
        const subject = `aliases/${tenant}/${functionName}/${alias}`;
        return {
          transaction: plan.transaction,
          change: changeBy(request, "aliases.move", tenant, subject, clock.wallMs(), {
            from: plan.from,
            to: version,
          }),
          outcome: plan.record,
        };
      });
      await untilEnforced(ports, committed.revision);
      reply.header("etag", etag(committed.revision));
      return committed.outcome;
    },
  );
}

function refusal(
  plan: Exclude<AliasPlan, { kind: "move" }>,
  path: { readonly tenant: string; readonly functionName: string; readonly alias: string },
  version: number,
): MeridianError {
  switch (plan.kind) {
    case "function-missing":
      return noSuchFunction(path.tenant, path.functionName);
    case "version-missing":
      return new MeridianError(
        "MERIDIAN_NOT_FOUND",
        `The function ${path.functionName} has no version ${version}; list its versions and choose one.`,
      );
    case "changed-meanwhile":
      return changedMeanwhile(path.alias, plan.revision);
    case "too-many-aliases":
      return new MeridianError(
        "MERIDIAN_CONFLICT",
        `The function ${path.functionName} has ${ALIASES_MAX} aliases, which is the limit; move one of them.`,
      );
  }
}

const changedMeanwhile = (alias: string, revision: number | null): MeridianError =>
  new MeridianError(
    "MERIDIAN_PRECONDITION_FAILED",
    revision === null
      ? `If-Match does not name the alias ${alias} as it is; GET it and send its ETag.`
      : `The alias ${alias} has the ETag ${etag(revision)} by now; GET it, decide again and send that.`,
  );
