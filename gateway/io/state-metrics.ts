import { Gauge, type Registry } from "prom-client";
import type { StateSources } from "./gateway-state.ts";

/** Undefined where there is nothing to say. */
type Read<Key> = (key: Key) => number | undefined;

/** The states that a gateway is in, read when Prometheus asks; `GET /v1/gateways/ZONE/state` has them in full. */
export function stateMetrics(
  registry: Registry,
  clusterIds: readonly string[],
  sources: Omit<StateSources, "counts" | "notReady">,
): void {
  const { links, rooms, routing, budget, circuits, limits, clock } = sources;
  const byCluster = (name: string, help: string, read: Read<string>): void =>
    labelled(registry, { name, help, label: "cluster", keys: clusterIds }, read);
  const whole = (name: string, help: string, read: () => number): void => {
    const gauge = new Gauge({
      name,
      help,
      registers: [registry],
      collect: () => {
        gauge.set(read());
      },
    });
  };

  byCluster(
    "meridian_gateway_breaker_open",
    "1 while the circuit breaker to the cluster lets no call through.",
    (clusterId) => Number(links.health(clusterId).isTripped),
  );
  byCluster(
    "meridian_gateway_cluster_avoided",
    "1 while this gateway sends the cluster nothing of its own accord.",
    (clusterId) => Number(links.avoided().some((one) => one.clusterId === clusterId)),
  );
  byCluster(
    "meridian_gateway_link_framed",
    "1 while calls to the cluster go over one framed link; 0: as plain HTTP, or not at the moment.",
    (clusterId) => Number(links.state(clusterId).link === "framed"),
  );
  byCluster(
    "meridian_gateway_ping_seconds",
    "What pings of the cluster's agent took in the last second.",
    (clusterId) => {
      const { roundTripMs } = links.health(clusterId);
      return roundTripMs === undefined ? undefined : roundTripMs / 1_000;
    },
  );
  byCluster(
    "meridian_gateway_cluster_in_flight",
    "Attempts of this gateway that are under way on the cluster.",
    (clusterId) => rooms.state(clusterId).inFlight,
  );
  byCluster(
    "meridian_gateway_cluster_in_flight_max",
    "How many there may be, as the cluster's round trips have it.",
    (clusterId) => rooms.state(clusterId).inFlightMax,
  );
  whole(
    "meridian_gateway_retry_budget_spent",
    "Further attempts of the last ten seconds that count against the budget.",
    () => budget.state(clock.nowMs()).spent,
  );
  whole(
    "meridian_gateway_retry_budget_allowed",
    "How many there may be in ten seconds.",
    () => budget.state(clock.nowMs()).allowed,
  );
  whole(
    "meridian_gateway_retry_budget_refused",
    "How often in ten seconds a retry found no room in its tenant's part of the budget.",
    () => budget.state(clock.nowMs()).refused,
  );
  labelled(
    registry,
    {
      name: "meridian_gateway_circuits",
      help: "Functions on clusters that this gateway has seen fail, and those of them that get no calls now.",
      label: "state",
      keys: ["kept", "open"] as const,
    },
    (state) => circuits.count(clock.nowMs())[state],
  );
  whole(
    "meridian_gateway_tenants_at_limit",
    "Tenants that have used up their rate at this gateway.",
    () =>
      limits.state(clock.nowMs()).filter(({ limits: known, tokens }) => known && tokens < 1).length,
  );
  whole(
    "meridian_gateway_table_revision",
    "Catalog revision of the route table in force.",
    () => routing.table()?.position.revision ?? 0,
  );
  whole(
    "meridian_gateway_table_age_seconds",
    "Since the zone's federator was last heard.",
    () => routing.ageMs() / 1_000,
  );
}

interface LabelledFamily<Key extends string> {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly keys: readonly Key[];
}

function labelled<Key extends string>(
  registry: Registry,
  { name, help, label, keys }: LabelledFamily<Key>,
  read: Read<Key>,
): void {
  const gauge = new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect: () => {
      gauge.reset();
      for (const key of keys) {
        const value = read(key);
        if (value !== undefined) gauge.labels(key).set(value);
      }
    },
  });
}
