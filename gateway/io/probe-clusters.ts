import type { Logger } from "pino";
import type { Zone } from "#lib/contracts/zone.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import type { Agents } from "../ports.ts";
import { type ClusterLink, createClusterLink, type LinkState } from "./cluster-link.ts";

export interface ClusterLinksOptions {
  readonly zones: readonly Zone[];
  readonly discovery: Discovery;
  readonly bootToken: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly failover: "on" | "off";
  readonly goRoundTripMaxMs: number;
  readonly log: Logger;
}

export interface ClusterLinks extends Agents {
  /** Clusters that do not answer this gateway now, and why. */
  readonly avoided: () => readonly { readonly clusterId: string; readonly reason: string }[];
  readonly state: (clusterId: string) => LinkState;
  readonly close: () => Promise<void>;
}

/** Between pings of one cluster: three misses take it out within a second. */
const PING_INTERVAL_MS = 250;

/** Links to the agents of all zones, found again when they restart, each pinged four times a second. */
export async function linkClusters(options: ClusterLinksOptions): Promise<ClusterLinks> {
  const { zones, discovery, clock, log } = options;
  const links = new Map<string, ClusterLink>();
  for (const { clusterId } of zones) {
    const onPings = (view: string, why: string): void =>
      log.info({ cluster: clusterId, pings: view, why }, "own pings of a cluster changed");
    links.set(clusterId, createClusterLink({ ...options, clusterId, onPings }));
  }
  const stopping = new AbortController();

  const followAll = async (): Promise<void> => {
    const endpoints = await discovery.list();
    for (const { name, clusterId } of zones)
      links
        .get(clusterId)
        ?.follow(endpoints.find((one) => one.program === "agent" && one.zone === name));
  };
  const probeForEver = async (link: ClusterLink): Promise<void> => {
    while (!stopping.signal.aborted) {
      const startMs = clock.nowMs();
      await followAll();
      await link.probe();
      const restMs = PING_INTERVAL_MS - (clock.nowMs() - startMs);
      if (restMs > 0) await clock.sleep(restMs, stopping.signal).catch(() => undefined);
    }
  };
  await followAll();
  const probing = [...links.values()].map(probeForEver);

  const avoided = () =>
    [...links].flatMap(([clusterId, link]) => {
      const { pings, isTripped } = link.health();
      if (pings === "absent") return [{ clusterId, reason: "no agent is known" }];
      if (pings === "avoid") return [{ clusterId, reason: "no answer to pings" }];
      return isTripped ? [{ clusterId, reason: "circuit breaker open" }] : [];
    });

  return {
    health: (clusterId) => links.get(clusterId)?.health() ?? { pings: "absent", isTripped: false },
    send: (clusterId, request) =>
      links.get(clusterId)?.send(request) ??
      Promise.resolve({
        kind: "failed",
        failure: "not-sent",
        reason: "there is no such cluster",
      }),
    avoided,
    state: (clusterId) =>
      links.get(clusterId)?.state() ?? { missesInARow: 0, breaker: "closed", link: "none" },
    close: async () => {
      stopping.abort(new Error("the links were closed"));
      await Promise.all([...links.values()].map((link) => link.close()));
      await Promise.all(probing);
    },
  };
}
