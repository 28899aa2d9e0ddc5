import type { Zone } from "#lib/contracts/zone.ts";
import { memoryReplicaDisk } from "../../../federator/io/replica/memory-replica-store.ts";
import { type Host, startHost } from "../engine/host.ts";
import { type SimulatedAgent, simulateAgent } from "./agent-process.ts";
import { type CatalogLink, linkCatalog } from "./catalog-link.ts";
import { simulatedLinks } from "./federator-links.ts";
import { openReplicaDisk } from "./replica-disk.ts";
import { simulatedPeers } from "./replica-peers.ts";
import { type SimulatedFederator, startFederator } from "./federator-process.ts";
import { gatewayDisk } from "./gateway-disk.ts";
import { type SimulatedGateway, startGateway } from "./gateway-process.ts";
import { startReports } from "./reports.ts";
import type { WorldGround } from "./world-ground.ts";

/** The three processes of a zone, and what survives them. */
export interface SimulatedZone {
  readonly name: string;
  readonly clusterId: string;
  readonly federator: () => SimulatedFederator | undefined;
  readonly gateway: () => SimulatedGateway | undefined;
  readonly agent: SimulatedAgent;
  readonly start: () => void;
  readonly crash: () => void;
  readonly startFederator: () => void;
  readonly crashFederator: () => void;
  readonly restartGateway: () => void;
  readonly crashGateway: () => void;
  readonly freeze: () => void;
  readonly thaw: () => void;
  readonly stepWallClock: (byMs: number) => void;
  /** The catalog's process died. */
  readonly catalogDied: () => void;
}

/** How far off a clock may run: ±0.1 %. */
const RATE_MAX = 0.001;

export function simulateZone(ground: WorldGround, zone: Zone): SimulatedZone {
  const { time, network, emit } = ground;
  const { name, clusterId } = zone;
  const random = ground.random.fork(name);
  const rate = 1 + random.between(-RATE_MAX, RATE_MAX);
  const replicaDisk = memoryReplicaDisk();
  const itsGatewayDisk = gatewayDisk(random.fork("gateway disk"));
  const agent = simulateAgent(time, clusterId);
  let lives = 0;
  let wallOffsetMs = random.between(-500, 500);
  let federator: SimulatedFederator | undefined;
  let link: CatalogLink | undefined;
  let gateway: SimulatedGateway | undefined;

  const newHost = (program: string): Host => {
    lives += 1;
    return startHost(time, `${name}.${program}#${lives}`, rate, wallOffsetMs);
  };
  const running = (): readonly Host[] =>
    [federator?.host, gateway?.host, agent.host()].filter((host) => host !== undefined);
  const kill = (host: Host | undefined): void => {
    if (host === undefined) return;
    host.kill();
    network.died(host);
  };

  const begin = (): void => {
    if (federator !== undefined) return;
    const host = newHost("federator");
    link = linkCatalog(network, ground.catalog, host, name);
    const started = startFederator({
      host,
      zone,
      config: ground.configOf(name),
      catalog: link.catalog,
      store: openReplicaDisk(replicaDisk, host, random.fork(host.name)),
      random: random.fork(host.name),
      links: simulatedLinks({
        network,
        host,
        place: name,
        agentOf: (other) => ground.zone(other)?.agent,
        hear: (other, observation) => {
          const heard = ground.zone(other)?.federator();
          heard?.host.deliver(() => heard.control.gossip.receive(observation));
          return heard?.host;
        },
        onTold: (observation) => emit({ kind: "told", zone: name, observation }),
      }),
      peers: simulatedPeers({
        network,
        host,
        place: name,
        otherZones: ground
          .configOf(name)
          .zones.map((one) => one.name)
          .filter((one) => one !== name),
        peerOf: (other) => ground.zone(other)?.federator(),
      }),
    });
    federator = started;
    const { replica } = started;
    emit({ kind: "replica-opened", zone: name, replica });
    replica.onApplied((applied) => emit({ kind: "replica-applied", zone: name, replica, applied }));
    startReports({
      host,
      zone,
      agent,
      random: random.fork("demand"),
      reports: started.control.reports,
    });
  };
  const crashFederator = (): void => {
    const died = federator?.host;
    federator = undefined;
    link = undefined;
    kill(died);
  };
  const crashGateway = (): void => {
    const died = gateway?.host;
    gateway = undefined;
    kill(died);
  };
  const startItsGateway = (): void => {
    const host = newHost("gateway");
    const door = {
      network,
      place: name,
      receiver: `${name}.gateway`,
      desk: () => federator && { host: federator.host, ...federator.control.feed },
    };
    gateway = startGateway(host, door, itsGatewayDisk, random.fork(host.name), {
      onTable: (table) => emit({ kind: "table", zone: name, gatewayHost: host.name, table }),
      onOverlay: (downClusters) =>
        emit({ kind: "overlay", zone: name, gatewayHost: host.name, downClusters }),
      onRights: () => emit({ kind: "rights", zone: name }),
    });
  };
  const startGatewayIfNone = (): void => {
    if (gateway === undefined) startItsGateway();
  };

  return {
    name,
    clusterId,
    agent,
    federator: () => federator,
    gateway: () => gateway,
    startFederator: begin,
    crashFederator,
    crashGateway,
    restartGateway: () => {
      crashGateway();
      startItsGateway();
    },
    start: () => {
      if (agent.host() === undefined) agent.start();
      begin();
      startGatewayIfNone();
    },
    crash: () => {
      agent.kill("machine");
      crashFederator();
      crashGateway();
    },
    freeze: () => {
      for (const host of running()) host.freeze();
    },
    thaw: () => {
      for (const host of running()) host.thaw();
    },
    stepWallClock: (byMs) => {
      wallOffsetMs += byMs;
      for (const host of running()) host.stepWallClock(byMs);
    },
    catalogDied: () => link?.catalogDied(),
  };
}
