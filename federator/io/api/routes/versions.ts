import { CreateVersion, Deployed, PLACEMENT_FROM_HEADER } from "#lib/contracts/api.ts";
import { functionPrefix, keys } from "#lib/contracts/catalog-keys.ts";
import { VersionRecord } from "#lib/contracts/catalog-records.ts";
import { LIVE_ALIAS } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import { keepPlacement } from "../../../core/functions/keep-placement.ts";
import { planVersionRemoval } from "../../../core/functions/plan-removals.ts";
import { type Api, type ApiPorts, changeBy } from "../api-context.ts";
import { commitChange, untilEnforced } from "../commit-change.ts";
import { deployVersion } from "../../functions/deploy-version.ts";
import { etag, readPrecondition } from "../etags.ts";
import { fetchStandingFunction, noSuchFunction } from "../../functions/function-state.ts";
import { pageRecords } from "../page-records.ts";
import { fetchRecord, readVersion } from "../../read-records.ts";
import { refuseRemoval } from "../refuse-removal.ts";
import { newestSecrets } from "../../functions/secrets.ts";
import {
  FunctionPath,
  MANIFEST_BODY_BYTES_MAX,
  PageQuery,
  pageOf,
  VersionPath,
} from "./schemas.ts";

export function versionRoutes(api: Api, ports: ApiPorts): void {
  readingRoutes(api, ports);
  deployingRoutes(api, ports);
  const { catalog, clock } = ports;

  api.delete(
    "/v1/tenants/:tenant/functions/:functionName/versions/:version",
    { config: { action: "versions.delete" }, schema: { params: VersionPath } },
    async (request, reply) => {
      const { tenant, functionName } = request.params;
      const version = Number(request.params.version);
      const precondition = readPrecondition(request.headers);
      const { revision } = await commitChange(ports, async () => {
        const state = await fetchStandingFunction(catalog, tenant, functionName);
        const held = readVersion(
          await fetchRecord(catalog, keys.version(tenant, functionName, version)),
        );
        const plan = planVersionRemoval(state, held, precondition);
        if (plan.kind !== "remove") throw refuseRemoval(plan, `version ${version}`);
        const subject = `versions/${tenant}/${functionName}/${version}`;
        return {
          transaction: plan.transaction,
          change: changeBy(request, "versions.delete", tenant, subject, clock.wallMs()),
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
    "/v1/tenants/:tenant/functions/:functionName/versions",
    {
      config: { action: "functions.read" },
      schema: {
        params: FunctionPath,
        querystring: PageQuery,
        response: { 200: pageOf(VersionRecord) },
      },
    },
    async (request) => {
      const { tenant, functionName } = request.params;
      if (replica.get(keys.function(tenant, functionName)) === undefined)
        throw noSuchFunction(tenant, functionName);
      const prefix = functionPrefix("versions", tenant, functionName);
      return pageRecords(replica, prefix, readVersion, request.query);
    },
  );

  api.get(
    "/v1/tenants/:tenant/functions/:functionName/versions/:version",
    {
      config: { action: "functions.read" },
      schema: { params: VersionPath, response: { 200: VersionRecord } },
    },
    async (request, reply) => {
      const { tenant, functionName, version } = request.params;
      if (replica.get(keys.function(tenant, functionName)) === undefined)
        throw noSuchFunction(tenant, functionName);
      const held = readVersion(replica.get(keys.version(tenant, functionName, Number(version))));
      if (held === undefined)
        throw new MeridianError(
          "MERIDIAN_NOT_FOUND",
          `The function ${functionName} has no version ${version}; list its versions and choose one.`,
        );
      reply.header("etag", etag(held.modRevision));
      return held.value;
    },
  );
}

/** POST makes a version each time; PUT says what the function shall be, and changes nothing where it is so already. */
function deployingRoutes(api: Api, ports: ApiPorts): void {
  for (const [method, url] of [
    ["POST", "/v1/tenants/:tenant/functions/:functionName/versions"],
    ["PUT", "/v1/tenants/:tenant/functions/:functionName"],
  ] as const)
    api.route({
      method,
      url,
      config: { action: "functions.deploy" },
      bodyLimit: MANIFEST_BODY_BYTES_MAX,
      schema: {
        params: FunctionPath,
        body: CreateVersion,
        response: { 200: Deployed, 201: Deployed },
      },
      handler: async (request, reply): Promise<Deployed> => {
        const { tenant, functionName } = request.params;
        const { codeDigest, codeReceipt, manifest, alias = LIVE_ALIAS } = request.body;
        const precondition = readPrecondition(request.headers);
        const { placement } = manifest;
        const { kind, deployed, follows } = await deployVersion(ports, request, {
          tenant,
          functionName,
          codeDigest,
          codeReceipt,
          manifest,
          placementAfter: (standing) => keepPlacement(placement, standing),
          wish: async () => ({
            alias,
            precondition,
            secrets: await newestSecrets(ports, tenant, manifest),
          }),
          isDeclaration: method === "PUT",
          action: "functions.deploy",
        });
        reply.code(method === "POST" || kind === "created" ? 201 : 200);
        reply.header("etag", etag(deployed.revision));
        if (placement?.regions === undefined && follows !== null)
          reply.header(PLACEMENT_FROM_HEADER, String(follows));
        return deployed;
      },
    });
}
