import type { RouteVersion } from "#lib/contracts/route-table.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { InstanceDriver, InstanceLog } from "../drivers/driver.ts";
import type { AgentMetrics } from "./agent-metrics.ts";
import type { CodeCache } from "./code-cache.ts";

export interface PoolVersion {
  readonly tenant: string;
  readonly functionName: string;
  readonly version: RouteVersion;
}

export interface PoolPorts {
  readonly driver: InstanceDriver;
  readonly code: CodeCache;
  readonly clock: Clock;
  readonly metrics: AgentMetrics;
  readonly onLog: (version: PoolVersion, instanceId: string, line: InstanceLog) => void;
}
