import { Type } from "typebox";
import { ClusterView } from "#lib/contracts/api-status.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { Name } from "#lib/contracts/names.ts";
import { ChangeCluster } from "#lib/contracts/operator-api.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { MeridianError } from "#lib/errors.ts";
import {
  CLUSTER_VERBS,
  type ClusterChangePlan,
  type ClusterStanding,
  type ClusterWish,
  planClusterChange,
} from "../../../core/leading/plan-cluster-change.ts";
import { viewCluster } from "../../../core/verdicts/view-federation.ts";
import { type Api, type ApiPorts, callerOf, changeBy } from "../api-context.ts";
import { commitChange, untilEnforced } from "../commit-change.ts";
import { fetchRecord, readCluster, readPlanInput, readVerdict } from "../../read-records.ts";
import { JSON_BODY_BYTES_MAX } from "./schemas.ts";

const ClusterPath = Type.Object({ clusterId: Name }, { additionalProperties: false });

/** What there is to know of the clusters, and an operator's word on them. */
export function clusterRoutes(api: Api, ports: ApiPorts): void {
  const { zones, clock } = ports;

  api.get(
    "/v1/clusters",
    {
      config: { action: "clusters.read" },
      schema: {
        response: {
          200: Type.Object({ items: Type.Array(ClusterView) }, { additionalProperties: false }),
        },
      },
    },
    async () => ({ items: zones.map((zone) => clusterView(ports, zone)) }),
  );

  api.get(
    "/v1/clusters/:clusterId(^[^:]+)",
    {
      config: { action: "clusters.read" },
      schema: { params: ClusterPath, response: { 200: ClusterView } },
    },
    async (request) => clusterView(ports, zoneOf(zones, request.params.clusterId)),
  );

  for (const verb of CLUSTER_VERBS)
    api.post(
      // The expression ends the parameter at the colon; a doubled colon stands for itself.
      `/v1/clusters/:clusterId(^[^:]+)::${verb}`,
      {
        config: { action: "clusters.change" },
        bodyLimit: JSON_BODY_BYTES_MAX,
        schema: { params: ClusterPath, body: ChangeCluster, response: { 200: ClusterView } },
      },
      async (request): Promise<ClusterView> => {
        const { clusterId } = request.params;
        const { reason = "", force = false } = request.body;
        const { actor } = callerOf(request);
        const zone = zoneOf(zones, clusterId);
        const committed = await commitChange(ports, async () => {
          const plan = await planNow(ports, { verb, clusterId, reason, actor, force });
          if (plan.kind !== "change") throw refusal(plan, clusterId);
          const action = `clusters.${verb}`;
          const detail = { reason, mode: plan.record.mode, force };
          return {
            transaction: plan.transaction,
            change: changeBy(request, action, null, clusterId, clock.wallMs(), detail),
            outcome: plan,
          };
        });
        await untilEnforced(ports, committed.revision);
        const { record, planInput } = committed.outcome;
        const verdict = readVerdict(ports.replica.get(keys.verdict(clusterId)))?.value;
        const sight = ports.federation.sightOf(clusterId);
        return viewCluster(zone, verdict, planInput, sight, record);
      },
    );
}

/** As this zone's replica has it. */
export const clusterView = (
  { replica, federation }: Pick<ApiPorts, "replica" | "federation">,
  zone: Zone,
): ClusterView =>
  viewCluster(
    zone,
    readVerdict(replica.get(keys.verdict(zone.clusterId)))?.value,
    readPlanInput(replica.get(keys.planInput()))?.value,
    federation.sightOf(zone.clusterId),
    readCluster(replica.get(keys.cluster(zone.clusterId)))?.value,
  );

/** From what the catalog itself holds: the replica may be behind another zone's operator. */
async function planNow(
  { catalog, zones, clock }: ApiPorts,
  wish: ClusterWish,
): Promise<ClusterChangePlan> {
  const standingOf = async ({ clusterId }: Zone): Promise<ClusterStanding> => ({
    clusterId,
    verdict: readVerdict(await fetchRecord(catalog, keys.verdict(clusterId)))?.value,
    record: readCluster(await fetchRecord(catalog, keys.cluster(clusterId))),
  });
  const [standings, planInput] = await Promise.all([
    Promise.all(zones.map(standingOf)),
    fetchRecord(catalog, keys.planInput()),
  ]);
  return planClusterChange(wish, standings, readPlanInput(planInput), clock.wallMs());
}

function zoneOf(zones: readonly Zone[], clusterId: string): Zone {
  const zone = zones.find((one) => one.clusterId === clusterId);
  if (zone === undefined) throw noSuchCluster(clusterId, zones);
  return zone;
}

export const noSuchCluster = (clusterId: string, zones: readonly Zone[]): MeridianError =>
  new MeridianError(
    "MERIDIAN_NOT_FOUND",
    `There is no cluster ${JSON.stringify(clusterId)}; there are ${zones.map((zone) => zone.clusterId).join(", ")}.`,
  );

function refusal(
  plan: Exclude<ClusterChangePlan, { kind: "change" }>,
  clusterId: string,
): MeridianError {
  switch (plan.kind) {
    case "last-cluster":
      return new MeridianError(
        "MERIDIAN_LAST_CLUSTER",
        `No other cluster is up and in service: without ${clusterId} every call would fail. Bring another one back first, or force it.`,
      );
    case "quarantined":
      return new MeridianError(
        "MERIDIAN_CONFLICT",
        `${clusterId} is quarantined; release it first.`,
      );
    case "unknown":
      return new MeridianError("MERIDIAN_NOT_FOUND", `There is no cluster ${clusterId}.`);
  }
}
