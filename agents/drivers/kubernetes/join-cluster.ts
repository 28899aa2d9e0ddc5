import type { Logger } from "pino";
import type { Clock } from "#lib/ports/clock.ts";
import { LABEL } from "../../core/kubernetes/labels.ts";
import { openIdentity } from "./agent-identity.ts";
import { persist } from "./cluster-refusal.ts";
import { holdLease } from "./hold-lease.ts";
import type { KubernetesConfig } from "./kubernetes-config.ts";
import { openCluster } from "./open-cluster.ts";

export interface JoinClusterOptions {
  readonly config: KubernetesConfig;
  readonly zone: string;
  readonly holder: string;
  readonly bootPrefix: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onReplaced: () => void;
  readonly signal: AbortSignal;
}

/** Resolves when this agent is the one that acts, with what pods know it by. */
export async function joinCluster(options: JoinClusterOptions) {
  const { config, zone, clock, signal } = options;
  const name = `meridian-agent-${zone}`;
  const labels = { [LABEL.agent]: zone };
  const sleep = (delayMs: number) => clock.sleep(delayMs, signal);
  const cluster = await openCluster(config, `${LABEL.agent}=${zone}`, clock.wallMs);
  const claim = {
    ...options,
    name,
    durationMs: config.leaseDurationMs,
    process: options.bootPrefix,
    onLost: options.onReplaced,
  };
  const lease = await persist(() => holdLease(cluster, claim, signal), sleep);
  const open = () => openIdentity(cluster, name, config.namespace, labels);
  return { cluster, lease, identity: await persist(open, sleep) };
}
