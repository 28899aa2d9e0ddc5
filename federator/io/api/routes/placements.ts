import { Deployed } from "#lib/contracts/api.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { AliasRecord, VersionRecord } from "#lib/contracts/catalog-records.ts";
import { LIVE_ALIAS } from "#lib/contracts/names.ts";
import { Placement } from "#lib/contracts/placement.ts";
import { MeridianError } from "#lib/errors.ts";
import type { CatalogRecord } from "#lib/ports/catalog.ts";
import type { FunctionState } from "../../../core/functions/function-state.ts";
import {
  holds,
  NO_PRECONDITION,
  type Precondition,
} from "../../../core/functions/preconditions.ts";
import type { Held } from "../../../core/transactions.ts";
import type { Api, ApiPorts } from "../api-context.ts";
import { deployVersion } from "../../functions/deploy-version.ts";
import { changedMeanwhile, etag, readPrecondition } from "../etags.ts";
import { fetchRecord, readAlias, readVersion } from "../../read-records.ts";
import { secretsOfVersion } from "../../functions/secrets.ts";
import { FunctionPath, JSON_BODY_BYTES_MAX } from "./schemas.ts";

const PLACEMENT = "/v1/tenants/:tenant/functions/:functionName/placement";

/**
 * The placement behind `live`, with that alias' ETag. Versions never change, so another placement is another version: the same code
 * and settings otherwise, and `live` moves to it in the same revision.
 */
export function placementRoutes(api: Api, ports: ApiPorts): void {
  const { catalog, replica } = ports;

  api.get(
    PLACEMENT,
    {
      config: { action: "functions.read" },
      schema: { params: FunctionPath, response: { 200: Placement } },
    },
    async (request, reply) => {
      const { tenant, functionName } = request.params;
      const live = await findLive(async (key) => replica.get(key), tenant, functionName);
      reply.header("etag", etag(live.alias.modRevision));
      return live.version.manifest.placement;
    },
  );

  api.put(
    PLACEMENT,
    {
      config: { action: "functions.deploy" },
      bodyLimit: JSON_BODY_BYTES_MAX,
      schema: { params: FunctionPath, body: Placement, response: { 200: Deployed } },
    },
    async (request, reply): Promise<Deployed> => {
      const { tenant, functionName } = request.params;
      const precondition = readPrecondition(request.headers);
      const live = await findLive((key) => fetchRecord(catalog, key), tenant, functionName);
      if (live.alias.value.additionalVersions !== undefined) throw isSplit(functionName);
      const { codeDigest, manifest, secretRevisions } = live.version;
      const { deployed } = await deployVersion(ports, request, {
        tenant,
        functionName,
        codeDigest,
        codeReceipt: undefined,
        manifest,
        placementAfter: () => request.body,
        wish: async (state) => {
          demandSame(state, live.alias, precondition);
          const secrets = await secretsOfVersion(ports, tenant, secretRevisions);
          return { alias: LIVE_ALIAS, precondition: NO_PRECONDITION, secrets };
        },
        isDeclaration: true,
        action: "functions.place",
      });
      reply.header("etag", etag(deployed.revision));
      return deployed;
    },
  );
}

interface Live {
  readonly alias: Held<AliasRecord>;
  readonly version: VersionRecord;
}

async function findLive(
  find: (key: string) => Promise<CatalogRecord | undefined>,
  tenant: string,
  functionName: string,
): Promise<Live> {
  const alias = readAlias(await find(keys.alias(tenant, functionName, LIVE_ALIAS)));
  if (alias !== undefined) {
    const key = keys.version(tenant, functionName, alias.value.version);
    const version = readVersion(await find(key))?.value;
    if (version !== undefined) return { alias, version };
  }
  throw new MeridianError(
    "MERIDIAN_FUNCTION_NOT_FOUND",
    `Tenant ${tenant} has no function ${JSON.stringify(functionName)} with a version that is ${LIVE_ALIAS}; deploy it first.`,
  );
}

/** The placement is that of what was read, so `live` must not have moved since. */
function demandSame(
  state: FunctionState,
  live: Held<AliasRecord>,
  precondition: Precondition,
): void {
  const now = state.aliases.find(({ value }) => value.alias === LIVE_ALIAS)?.modRevision ?? null;
  if (!holds(precondition, now) || now !== live.modRevision)
    throw changedMeanwhile("the placement", now);
}

const isSplit = (functionName: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_CONFLICT",
    `Several versions of ${functionName} share ${LIVE_ALIAS}, and each has a placement of its own; give ${LIVE_ALIAS} to one version first.`,
  );
