import { CreateVersion, Deployed } from "#lib/contracts/api.ts";
import type { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { prefixes } from "#lib/contracts/catalog-keys.ts";
import { MeridianError } from "#lib/errors.ts";
import { permittedZones } from "#lib/residency.ts";
import {
  handlerFiles,
  knownRegions,
  reservedVariables,
  unknownRegions,
} from "../../core/check-manifest.ts";
import { type DeployWish, planDeploy } from "../../core/plan-deploy.ts";
import { type Api, type ApiPorts, changeBy } from "../api-context.ts";
import { commitChange, untilEnforced } from "../commit-change.ts";
import { fetchFunctionState } from "../function-state.ts";
import { readVersion, valuesOf } from "../read-records.ts";
import { obtainCode, spreadCode } from "../spread-code.ts";
import { FunctionPath } from "./schemas.ts";

/** Far more than a manifest may have, so that one that is too large is told its own error. */
const BODY_BYTES_MAX = 128 * 1024;

/** Deploy: check, make the code durable, then one revision, then wait for those who have to know. */
export function versionRoutes(api: Api, ports: ApiPorts): void {
  api.post(
    "/v1/tenants/:tenant/functions/:functionName/versions",
    {
      config: { action: "functions.deploy" },
      bodyLimit: BODY_BYTES_MAX,
      schema: { params: FunctionPath, body: CreateVersion, response: { 201: Deployed } },
    },
    async (request, reply): Promise<Deployed> => {
      const { tenant, functionName } = request.params;
      const { codeDigest, manifest } = request.body;
      checkManifest(manifest, functionName, ports);
      const residency = permittedZones(manifest.placement.regions, ports.zones);
      const code = await obtainCode(ports, codeDigest);
      checkHandler(manifest, await ports.codeStore.filesOf(codeDigest));
      const wish = { tenant, functionName, codeDigest, codeBytes: code.bytes, manifest };
      // Once before the code travels, so that a record that cannot be is told first.
      plan(await fetchFunctionState(ports.catalog, tenant, functionName), wish, ports);
      const codeZones = await spreadCode(ports, code, residency);

      const committed = await commitChange(ports, async () => {
        const state = await fetchFunctionState(ports.catalog, tenant, functionName);
        const { transaction, version, alias } = plan(state, wish, ports);
        const subject = `functions/${tenant}/${functionName}`;
        return {
          transaction,
          change: changeBy(request, "functions.deploy", tenant, subject, version.createdAtMs, {
            version: version.version,
            codeDigest,
          }),
          outcome: { version, alias },
        };
      });
      const gateways = await untilEnforced(ports, committed.revision);
      if (!codeZones.includes(ports.zone)) await forgetStaged(ports, codeDigest);
      reply.code(201);
      return { ...committed.outcome, codeZones, revision: committed.revision, gateways };
    },
  );
}

function plan(
  state: Parameters<typeof planDeploy>[0],
  wish: DeployWish,
  { clock }: Pick<ApiPorts, "clock">,
) {
  const planned = planDeploy(state, wish, clock.wallMs());
  if (planned.kind === "deploy") return planned;
  throw new MeridianError(
    "MERIDIAN_MANIFEST_INVALID",
    `The version's record has ${planned.bytes} bytes as JSON, at most ${planned.bytesMax} are kept; shorten the environment, or read it from the code.`,
  );
}

function checkManifest(
  manifest: FunctionManifest,
  functionName: string,
  { zones }: Pick<ApiPorts, "zones">,
): void {
  if (manifest.name !== functionName)
    throw new MeridianError(
      "MERIDIAN_MANIFEST_INVALID",
      `The manifest names the function ${manifest.name}, the path ${functionName}; send it to the path of its name.`,
    );
  const reserved = reservedVariables(manifest.environment);
  if (reserved.length > 0)
    throw new MeridianError(
      "MERIDIAN_MANIFEST_INVALID",
      `The environment sets ${reserved.join(", ")}, which only the platform may set; choose other names.`,
    );
  const unknown = unknownRegions(manifest.placement.regions, zones);
  if (unknown.length > 0)
    throw new MeridianError(
      "MERIDIAN_REGION_UNKNOWN",
      `The placement names ${unknown.join(", ")}, where no zone is; choose from ${knownRegions(zones).join(", ")}.`,
    );
}

function checkHandler(manifest: FunctionManifest, files: readonly string[]): void {
  const wanted = handlerFiles(manifest);
  if (wanted.some((file) => files.includes(file))) return;
  throw new MeridianError(
    "MERIDIAN_HANDLER_MISSING",
    `The handler ${manifest.handler} needs one of the files ${wanted.join(", ")} at the root of the archive, which has none of them.`,
  );
}

/** This zone may not keep the code: it only passed it on. Another version that may lie here keeps it. */
async function forgetStaged(ports: ApiPorts, digest: string): Promise<void> {
  const { codeStore, replica, zones, zone } = ports;
  const isUsedHere = valuesOf(replica.list(prefixes.versions), readVersion).some(
    ({ codeDigest, manifest }) =>
      codeDigest === digest &&
      permittedZones(manifest.placement.regions, zones).some(({ name }) => name === zone),
  );
  if (!isUsedHere) await codeStore.remove(digest);
}
