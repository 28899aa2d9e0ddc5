import { Value } from "typebox/value";
import { FederationStatus, ZoneStatus } from "#lib/contracts/api-status.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { planInputs } from "#lib/plan/plan-inputs.ts";
import { compileEntry } from "../../../core/feed/compile-routes.ts";
import {
  silentZoneStatus,
  statusForTenant,
  viewShares,
} from "../../../core/verdicts/view-federation.ts";
import { type Api, type ApiPorts, callerOf } from "../api-context.ts";
import { typedRecords } from "../../typed-records.ts";
import { clusterView } from "./clusters.ts";

const PEER_TIMEOUT_MS = 1_000;
/** The catalog says something each second; when it has not for this long, it is out of reach. */
const CATALOG_SILENCE_MAX_MS = 3_000;
/** With fewer zones there is no majority without the one in question. */
const WITNESSED_ZONES_MIN = 3;

export function statusRoutes(api: Api, ports: ApiPorts): void {
  const { replica, federation, client, log, zones } = ports;
  const records = typedRecords(replica);

  const askZone = async (zone: Zone, peers: ReadonlyMap<string, string>): Promise<ZoneStatus> => {
    if (zone.name === ports.zone) return federation.zoneStatus();
    const silent = silentZoneStatus(zone, clusterView(ports, zone));
    const url = peers.get(zone.name);
    if (url === undefined) return silent;
    try {
      const answer = await client.json(url, {
        path: "/internal/zone-status",
        timeoutMs: PEER_TIMEOUT_MS,
      });
      if (!Value.Check(ZoneStatus, answer)) return silent;
      const { cluster } = answer;
      const sight = federation.sightOf(zone.clusterId);
      return { ...answer, cluster: cluster && { ...cluster, sight } };
    } catch (error) {
      log.info({ zone: zone.name, err: error }, "a zone did not tell its status");
      return silent;
    }
  };

  api.get(
    "/v1/status",
    { config: { action: "status.read" }, schema: { response: { 200: FederationStatus } } },
    async (request): Promise<FederationStatus> => {
      const peers = await federation.peers();
      const statuses = await Promise.all(zones.map((zone) => askZone(zone, peers)));
      const { tenant } = callerOf(request);
      return {
        leader: federation.leader(),
        witness: zones.length >= WITNESSED_ZONES_MIN ? "present" : "none",
        catalog: replica.ageMs() <= CATALOG_SILENCE_MAX_MS ? "reachable" : "unreachable",
        zones: tenant === null ? statuses : statuses.map((one) => statusForTenant(one, tenant)),
        silentZones: statuses.filter((one) => !one.isReachable).map(({ zone }) => zone),
        shares: viewShares(planInputs((key) => compileEntry(key, records), zones)),
        ...(tenant === null && { shifts: [...records.shifts()] }),
      };
    },
  );
}
