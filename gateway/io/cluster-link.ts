import type { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import { noPingsYet, type PingEvent, type PingState, stepPings } from "../core/judge-pings.ts";
import { createRoundTrip, type RoundTrip } from "../core/round-trip.ts";
import type { Agents, AgentRequest, Outcome } from "../ports.ts";
import type { AgentClient } from "./agent-client.ts";
import { type ClusterBreaker, clusterBreaker } from "./cluster-breaker.ts";
import { openAgentClient } from "./open-agent-client.ts";
import { type AgentProbe, isRefusedConnection, openAgentProbe } from "./probe-agent.ts";

export interface ClusterLinkOptions {
  readonly clusterId: string;
  readonly bootToken: string;
  readonly clock: Clock;
  readonly random: Random;
  /** With `off` calls go through whatever is known, and are never given up early. */
  readonly failover: "on" | "off";
  /** Calls of functions that are not idempotent start on `go` where a round trip to the agent takes no longer. */
  readonly goRoundTripMaxMs: number;
  readonly onPings: (view: PingState["view"], why: PingEvent) => void;
}

/** Everything between this gateway and one cluster: the link to its agent, its pings, its breaker. */
export interface ClusterLink {
  /** Links to this process from now on; undefined: none is known to run. */
  readonly follow: (agent: RunEndpoint | undefined) => void;
  readonly probe: () => Promise<void>;
  readonly health: () => ReturnType<Agents["health"]>;
  readonly state: () => LinkState;
  readonly send: (request: AgentRequest) => Promise<Outcome>;
  readonly close: () => Promise<void>;
}

/** What `health` leaves out, for people to look at. */
export interface LinkState {
  readonly missesInARow: number;
  readonly breaker: ReturnType<ClusterBreaker["state"]>;
  readonly link: ReturnType<AgentClient["way"]> | "none";
}

const PING_TIMEOUT_MS = 250;
const PING_LIMITS = { missesToAvoid: 3, goodToReturn: 2 };

interface Connected {
  readonly bootId: string;
  readonly client: AgentClient;
  readonly prober: AgentProbe;
  readonly breaker: ClusterBreaker;
  readonly roundTrip: RoundTrip;
}

export function createClusterLink(options: ClusterLinkOptions): ClusterLink {
  const { clusterId, bootToken, clock, random, failover } = options;
  let connected: Connected | undefined;
  let pings = noPingsYet;
  let pingedAtMs = clock.nowMs();

  const note = (event: PingEvent): void => {
    const before = pings.view;
    pings = stepPings(pings, event, PING_LIMITS);
    if (pings.view === before) return;
    options.onPings(pings.view, event);
    if (pings.view === "avoid" && failover === "on") connected?.client.giveUp();
  };

  /** One ping that is late may be lost; where calls wait, and nothing of them came since either, new ones had better go elsewhere. */
  const isLate = (): boolean =>
    pings.view === "good" &&
    pings.missesInARow > 0 &&
    connected?.client.isSilentSince(pingedAtMs) === true;

  const disconnect = async (old: Connected | undefined): Promise<void> => {
    old?.breaker.close();
    await Promise.all([old?.client.close(), old?.prober.close()]);
  };

  const sendOver = async (link: Connected, request: AgentRequest): Promise<Outcome> => {
    const asks = !request.isIdempotent && link.roundTrip.isWithin(options.goRoundTripMaxMs);
    const attempt = () => link.client.send(request, asks ? "go" : "slot");
    const outcome = await (failover === "on" ? link.breaker.run(attempt) : attempt());
    if (outcome.kind === "failed" && isRefusedConnection(outcome.cause) && link === connected)
      note("refused");
    return outcome;
  };

  return {
    follow: (agent) => {
      const url = agent?.urls.internal;
      if (agent?.bootId === connected?.bootId) return;
      void disconnect(connected);
      connected = undefined;
      // A cluster that was given up must answer pings before it is trusted again.
      pings = pings.view === "avoid" ? { ...noPingsYet, view: "avoid" } : noPingsYet;
      if (agent === undefined || url === undefined) return;
      connected = {
        bootId: agent.bootId,
        client: openAgentClient(url, bootToken, clock),
        prober: openAgentProbe(url, bootToken, clock),
        breaker: clusterBreaker(clusterId, random),
        roundTrip: createRoundTrip(),
      };
    },
    probe: async () => {
      const probed = connected;
      const startMs = clock.nowMs();
      const { idle: idleBeforeMs } = performance.eventLoopUtilization();
      if (pings.missesInARow === 0) pingedAtMs = startMs;
      const event = await probed?.prober.ping(PING_TIMEOUT_MS);
      // A gateway that is slow itself must not take its clusters for full.
      const idleMs = performance.eventLoopUtilization().idle - idleBeforeMs;
      if (event === "good") probed?.roundTrip.add(clock.nowMs() - startMs, idleMs);
      if (event !== undefined && event !== "inconclusive" && probed === connected) note(event);
    },
    health: () => ({
      pings: connected === undefined ? "absent" : isLate() ? "late" : pings.view,
      isTripped: connected?.breaker.isTripped(pings.view === "good") ?? false,
      roundTripMs: connected?.roundTrip.typicalMs(),
      shortestMs: connected?.roundTrip.shortestMs,
    }),
    state: () => ({
      missesInARow: pings.missesInARow,
      breaker: connected?.breaker.state() ?? "closed",
      link: connected?.client.way() ?? "none",
    }),
    send: (request) =>
      connected === undefined ? Promise.resolve(nobodyThere) : sendOver(connected, request),
    close: () => disconnect(connected),
  };
}

const nobodyThere: Outcome = {
  kind: "failed",
  failure: "not-sent",
  reason: "no agent of it is known",
};
