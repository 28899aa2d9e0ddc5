import type { Clock } from "#lib/ports/clock.ts";
import type { InstanceDriver, InstanceLog } from "../drivers/driver.ts";
import type { AgentMetrics } from "./agent-metrics.ts";
import type { CodeCache } from "./code-cache.ts";
import type { PoolVersion } from "./pool-version.ts";
import type { SecretStore } from "./secret-store.ts";
import type { UsageRecorder } from "./usage-recorder.ts";

export interface PoolPorts {
  readonly driver: InstanceDriver;
  readonly code: CodeCache;
  readonly secrets: Pick<SecretStore, "environmentOf">;
  readonly clock: Clock;
  readonly metrics: AgentMetrics;
  readonly usage: Pick<UsageRecorder, "callBegan">;
  readonly onLog: (version: PoolVersion, instanceId: string, line: InstanceLog) => void;
}
