import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { AttemptFailure } from "../core/decide-retry.ts";
import type { Routing } from "../ports.ts";
import type { RequestRecord } from "../stages/account.ts";
import type { ClusterLinks } from "./probe-clusters.ts";

export interface GatewayMetrics {
  readonly request: (record: RequestRecord) => void;
  readonly retry: (failure: AttemptFailure) => void;
}

const STATUS_CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"] as const;
const FAILURES: readonly AttemptFailure[] = ["not-sent", "refused", "maybe-executed"];
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Children with their labels are bound once: looking them up per request costs more than counting. */
export function gatewayMetrics(
  registry: Registry,
  clusterIds: readonly string[],
  routing: Routing,
  links: ClusterLinks,
): GatewayMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: "meridian_gateway_requests_total",
    help: "Requests answered, by class of status.",
    labelNames: ["status_class"],
    registers,
  });
  const byClass = STATUS_CLASSES.map((statusClass) => requests.labels(statusClass));
  const seconds = new Histogram({
    name: "meridian_gateway_request_duration_seconds",
    help: "From the request's headers to the end of its answer.",
    buckets: SECONDS,
    registers,
  });
  const retries = new Counter({
    name: "meridian_gateway_retries_total",
    help: "Further attempts at another cluster, by what was proved of the one before.",
    labelNames: ["failure"],
    registers,
  });
  const byFailure = new Map(FAILURES.map((failure) => [failure, retries.labels(failure)]));
  const limited = new Counter({
    name: "meridian_gateway_limited_total",
    help: "Calls turned away, by the limit of the tenant that was used up, or `plan` where the federation is full.",
    labelNames: ["limit"],
    registers,
  });
  const byLimit = {
    rate: limited.labels("rate"),
    concurrency: limited.labels("concurrency"),
    plan: limited.labels("plan"),
  };
  observeClusters(registers, clusterIds, links);
  observeTable(registers, routing);

  return {
    request: ({ status, durationMs, receipt }) => {
      byClass[Math.floor(status / 100) - 1]?.inc();
      seconds.observe(durationMs / 1_000);
      if (receipt.limitedBy !== undefined) byLimit[receipt.limitedBy].inc();
    },
    retry: (failure) => byFailure.get(failure)?.inc(),
  };
}

function observeClusters(
  registers: Registry[],
  clusterIds: readonly string[],
  links: ClusterLinks,
): void {
  const breakers = new Gauge({
    name: "meridian_gateway_breaker_open",
    help: "1 while the circuit breaker to the cluster lets no call through.",
    labelNames: ["cluster"],
    registers,
    collect: () => {
      for (const clusterId of clusterIds)
        breakers.labels(clusterId).set(links.health(clusterId).isTripped ? 1 : 0);
    },
  });
  const avoided = new Gauge({
    name: "meridian_gateway_cluster_avoided",
    help: "1 while this gateway sends the cluster nothing of its own accord.",
    labelNames: ["cluster"],
    registers,
    collect: () => {
      const now = new Set(links.avoided().map(({ clusterId }) => clusterId));
      for (const clusterId of clusterIds) avoided.labels(clusterId).set(now.has(clusterId) ? 1 : 0);
    },
  });
}

function observeTable(registers: Registry[], routing: Routing): void {
  const revision = new Gauge({
    name: "meridian_gateway_table_revision",
    help: "Catalog revision of the route table in force.",
    registers,
    collect: () => {
      revision.set(routing.table()?.position.revision ?? 0);
    },
  });
  const age = new Gauge({
    name: "meridian_gateway_table_age_seconds",
    help: "Since the zone's federator was last heard.",
    registers,
    collect: () => {
      age.set(routing.ageMs() / 1_000);
    },
  });
}
