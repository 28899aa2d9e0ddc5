import type { Zone } from "#lib/contracts/zone.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import type { ArmCounters } from "./core/count-arms.ts";
import type { CallMeter } from "./core/measure-calls.ts";
import { createDemandMeter } from "./core/measure-demand.ts";
import type { RequestIds } from "./core/request-id.ts";
import type { TraceIds } from "./core/trace-context.ts";
import { createNearestZone } from "./core/nearest-by-round-trip.ts";
import type { ClusterRooms } from "./core/cluster-rooms.ts";
import type { FunctionCircuits } from "./core/function-circuits.ts";
import { createHeldBodies } from "./core/held-bodies.ts";
import { createHedgeBudget, createHedgeDelays } from "./core/hedge-delay.ts";
import type { RetryBudgets } from "./core/retry-budget.ts";
import { createSharePlanner } from "./core/share-planner.ts";
import type { TenantLimits } from "./core/tenant-limits.ts";
import type { FunctionCall } from "./call.ts";
import { type Handler, pipeline } from "./pipeline.ts";
import type { Agents, Arrival, Routing } from "./ports.ts";
import { account, type Accounting } from "./stages/account.ts";
import { admit } from "./stages/admit.ts";
import { authenticate } from "./stages/authenticate.ts";
import { countArm } from "./stages/count-arm.ts";
import { explainRoute } from "./stages/explain.ts";
import { fallBack } from "./stages/fall-back.ts";
import { forward } from "./stages/forward.ts";
import { hedgeAttempts, type HedgePorts } from "./stages/hedge.ts";
import { identify } from "./stages/identify.ts";
import { keepPlan } from "./stages/keep-plan.ts";
import { keepResidency } from "./stages/keep-residency.ts";
import { createKeyRing } from "./stages/key-ring.ts";
import { locate, type Locating } from "./stages/locate.ts";
import { matchFunction } from "./stages/match-function.ts";
import { mark, noteAttempts } from "./stages/note-times.ts";
import { type Doors, openDoor } from "./stages/open-door.ts";
import { retryAttempts, type RetryPorts } from "./stages/retry.ts";
import { rankClusters } from "./stages/survey-clusters.ts";
import { type StatePorts, tellState } from "./stages/tell-state.ts";
import { tellReceipt } from "./stages/tell-receipt.ts";
import { watchAttempts } from "./stages/watch-attempts.ts";

export interface GatewayPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly requestIds: RequestIds;
  readonly traceIds: TraceIds;
  readonly routing: Routing;
  readonly limits: TenantLimits;
  readonly demand: ReturnType<typeof createDemandMeter>;
  readonly meter: CallMeter;
  readonly arms: ArmCounters;
  readonly agents: Agents;
  readonly control: Doors["control"];
  readonly accounting: Accounting;
  readonly onRetry: RetryPorts["onRetry"];
  readonly onHedge: HedgePorts["onHedge"];
  readonly circuits: FunctionCircuits;
  readonly rooms: ClusterRooms;
  readonly budget: RetryBudgets;
  readonly state: StatePorts["state"];
  readonly passToGateway: StatePorts["passToGateway"];
  readonly notReady: Doors["notReady"];
}

export interface GatewayRules {
  /** Without confirmation for longer, functions with a placement are refused; 0: never. */
  readonly securityMaxAgeMs: number;
  readonly zones: readonly Zone[];
  readonly locating: Locating;
  readonly failover: "on" | "off";
  /** Processes that share the zone's address, and so the callers near it. */
  readonly workers: number;
  /** Of the traces that begin here, the share that is marked as recorded. */
  readonly tracedShare: number;
}

/** What bodies that do not get whole may hold; beyond, the one that has been coming longest goes. */
const HELD_BODIES = { bytesMax: 256 * 1024 * 1024, tenantBytesMax: 64 * 1024 * 1024 };

/** The way of every request through the gateway, in order. */
export function createGateway(ports: GatewayPorts, rules: GatewayRules): Handler<Arrival> {
  const { clock, routing, agents } = ports;
  const zone = rules.locating.geography.gatewayZone.name;
  const keyRing = createKeyRing();
  const planner = createSharePlanner(rules.zones, rules.workers);
  const ranking = rankClusters({ ...ports, ...rules, planner });
  const { zones, gatewayZone } = rules.locating.geography;
  const shortestMs = (clusterId: string) => agents.health(clusterId).shortestMs?.();
  const nearestZone = createNearestZone(zones, gatewayZone, shortestMs);
  const locating = { ...ports, locating: rules.locating, nearestZone };
  const hedging = { ...ports, delays: createHedgeDelays(), budget: createHedgeBudget() };
  const attempt = hedgeAttempts(
    hedging,
    watchAttempts(ports, noteAttempts(clock, forward(agents, clock))),
  );

  const invoke: Handler<FunctionCall> = pipeline(authenticate(keyRing))
    .through(matchFunction(zone, ports.random))
    .through(countArm(ports.arms, clock))
    .through(keepResidency(rules.zones, routing.confirmedAgeMs, rules.securityMaxAgeMs))
    .through(mark("admitAtMs", clock))
    .through(admit({ ...ports, heldBodies: createHeldBodies(HELD_BODIES) }))
    .through(mark("planAtMs", clock))
    .through(locate(locating))
    .through(keepPlan({ ...ports, planner, ranking }))
    .through(mark("forwardAtMs", clock))
    .through(fallBack(ranking))
    .to(retryAttempts({ ...ports, ranking }, rules.failover, attempt));

  const { securityMaxAgeMs } = rules;
  const explain = explainRoute({ ...locating, keyRing, ranking, securityMaxAgeMs });
  const state = tellState({ ...ports, keyRing }, rules.zones, zone);
  const { control, notReady } = ports;

  return pipeline(identify(ports, rules.tracedShare))
    .through(tellReceipt(ports, zone))
    .through(account(ports.accounting, clock))
    .to(openDoor({ invoke, explain, state, control, notReady }, routing));
}
