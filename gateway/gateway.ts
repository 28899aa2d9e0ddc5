import type { Zone } from "#lib/contracts/zone.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import type { ArmCounters } from "./core/count-arms.ts";
import type { CallMeter } from "./core/measure-calls.ts";
import { createDemandMeter } from "./core/measure-demand.ts";
import type { RequestIds } from "./core/request-id.ts";
import { createRetryBudget } from "./core/retry-budget.ts";
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
import { forward } from "./stages/forward.ts";
import { identify } from "./stages/identify.ts";
import { keepPlan } from "./stages/keep-plan.ts";
import { keepResidency } from "./stages/keep-residency.ts";
import { createKeyRing } from "./stages/key-ring.ts";
import { locate, type Locating } from "./stages/locate.ts";
import { matchFunction } from "./stages/match-function.ts";
import { type Doors, openDoor } from "./stages/open-door.ts";
import { retryAttempts, type RetryPorts } from "./stages/retry.ts";
import { rankClusters } from "./stages/survey-clusters.ts";

export interface GatewayPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly requestIds: RequestIds;
  readonly routing: Routing;
  readonly limits: TenantLimits;
  readonly demand: ReturnType<typeof createDemandMeter>;
  readonly meter: CallMeter;
  readonly arms: ArmCounters;
  readonly agents: Agents;
  readonly control: Doors["control"];
  readonly accounting: Accounting;
  readonly onRetry: RetryPorts["onRetry"];
  readonly notReady: Doors["notReady"];
}

export interface GatewayRules {
  /** Without confirmation for longer, functions with a placement are refused; 0: never. */
  readonly securityMaxAgeMs: number;
  readonly zones: readonly Zone[];
  readonly locating: Locating;
  readonly failover: "on" | "off";
}

/** Retries after a possible execution: this many, or this share of the last ten seconds' requests. */
const RETRY_BUDGET = { retriesMin: 10, retryPercent: 20 };

/** The way of every request through the gateway, in order. */
export function createGateway(ports: GatewayPorts, rules: GatewayRules): Handler<Arrival> {
  const { clock, routing, agents } = ports;
  const zone = rules.locating.geography.gatewayZone.name;
  const keyRing = createKeyRing();
  const budget = createRetryBudget(RETRY_BUDGET);
  const planner = createSharePlanner(rules.zones);
  const ranking = rankClusters({ ...ports, ...rules, planner });

  const invoke: Handler<FunctionCall> = pipeline(authenticate(keyRing))
    .through(matchFunction(zone, ports.random))
    .through(countArm(ports.arms, clock))
    .through(keepResidency(rules.zones, routing.confirmedAgeMs, rules.securityMaxAgeMs))
    .through(admit(ports))
    .through(locate(rules.locating))
    .through(keepPlan({ ...ports, planner, ranking }))
    .to(retryAttempts({ ...ports, ranking, budget }, rules.failover, forward(agents, clock)));

  const explain = explainRoute({ ...ports, keyRing, ranking, locating: rules.locating });
  const { control, notReady } = ports;

  return pipeline(identify(ports.requestIds))
    .through(account(ports.accounting, clock))
    .to(openDoor({ invoke, explain, control, notReady }, routing));
}
