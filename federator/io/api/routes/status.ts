import { FederationIsolation, FederationStatus, ZoneStatus } from "#lib/contracts/api-status.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { planInputs } from "#lib/plan/plan-inputs.ts";
import { compileEntry } from "../../../core/feed/compile-routes.ts";
import {
  silentZoneStatus,
  statusForTenant,
  viewShares,
} from "../../../core/verdicts/view-federation.ts";
import { type Api, type ApiPorts, callerOf } from "../api-context.ts";
import { askProgram } from "../ask-program.ts";
import { typedRecords } from "../../typed-records.ts";
import { clusterView } from "./clusters.ts";

const PEER_TIMEOUT_MS = 1_000;
/** The catalog says something each second; when it has not for this long, it is out of reach. */
const CATALOG_SILENCE_MAX_MS = 3_000;
/** With fewer zones there is no majority without the one in question. */
const WITNESSED_ZONES_MIN = 3;

export function statusRoutes(api: Api, ports: ApiPorts): void {
  const { replica, federation, zones } = ports;
  const records = typedRecords(replica);

  const askZone = async (zone: Zone, peers: ReadonlyMap<string, string>): Promise<ZoneStatus> => {
    if (zone.name === ports.zone) return federation.zoneStatus();
    const answer = await askProgram(ports, peers.get(zone.name), {
      path: "/internal/zone-status",
      timeoutMs: PEER_TIMEOUT_MS,
      answer: ZoneStatus,
      unheard: "a zone did not tell its status",
    });
    if (answer === undefined) return silentZoneStatus(zone, clusterView(ports, zone));
    const { cluster } = answer;
    const sight = federation.sightOf(zone.clusterId);
    return { ...answer, cluster: cluster && { ...cluster, sight } };
  };

  const askZones = async (): Promise<ZoneStatus[]> => {
    const peers = await federation.peers();
    return Promise.all(zones.map((zone) => askZone(zone, peers)));
  };

  api.get(
    "/v1/isolation",
    { config: { action: "isolation.read" }, schema: { response: { 200: FederationIsolation } } },
    async (): Promise<FederationIsolation> => {
      const statuses = await askZones();
      return {
        items: statuses.map(({ clusterId, zone, isolation }) => ({
          clusterId,
          zone,
          report: isolation ?? null,
        })),
        silentZones: silentOf(statuses),
      };
    },
  );

  api.get(
    "/v1/status",
    { config: { action: "status.read" }, schema: { response: { 200: FederationStatus } } },
    async (request): Promise<FederationStatus> => {
      const statuses = await askZones();
      const { tenant } = callerOf(request);
      return {
        leader: federation.leader(),
        witness: zones.length >= WITNESSED_ZONES_MIN ? "present" : "none",
        catalog: replica.ageMs() <= CATALOG_SILENCE_MAX_MS ? "reachable" : "unreachable",
        zones: tenant === null ? statuses : statuses.map((one) => statusForTenant(one, tenant)),
        silentZones: silentOf(statuses),
        shares: viewShares(planInputs((key) => compileEntry(key, records), zones)),
        ...(tenant === null && { shifts: [...records.shifts()] }),
      };
    },
  );
}

const silentOf = (statuses: readonly ZoneStatus[]): string[] =>
  statuses.filter((one) => !one.isReachable).map(({ zone }) => zone);
