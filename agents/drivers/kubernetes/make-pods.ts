import { networkPolicy } from "../../core/kubernetes/network-policy.ts";
import type { Owner } from "../../core/kubernetes/owner-reference.ts";
import {
  type PodFunction,
  podManifest,
  type PodPlan,
  type PodSettings,
} from "../../core/kubernetes/pod-manifest.ts";
import { podName } from "../../core/kubernetes/pod-name.ts";
import type { AgentIdentity } from "./agent-identity.ts";
import { persist } from "./cluster-refusal.ts";
import type { KubernetesConfig } from "./kubernetes-config.ts";
import type { Cluster } from "./open-cluster.ts";
import type { Pod, PodListener, Pods } from "./pods.ts";

export interface PodMakerOptions {
  readonly config: KubernetesConfig;
  readonly zone: string;
  /** Of this process: no name of one before it comes again. */
  readonly bootPrefix: string;
  readonly cluster: Cluster;
  readonly identity: AgentIdentity;
  readonly owner: Owner;
  readonly pods: Pods;
  readonly sleep: (delayMs: number) => Promise<void>;
}

export interface PodMaker {
  readonly nameFor: (of: Omit<PodFunction, "network">) => string;
  /** Also the policy for its network, where there is none yet. */
  readonly make: (plan: Omit<PodPlan, "token">, listener: PodListener) => Pod;
  /** The pod of a runner becomes one of a function. */
  readonly assign: (pod: Pod, of: PodFunction) => void;
}

/** Makes pods by one configuration, each under a name of its own. */
export function podMaker(options: PodMakerOptions): PodMaker {
  const { config, zone, cluster, identity, owner, pods, sleep } = options;
  const settings = settingsOf(options);
  const place = { namespace: config.namespace, agent: zone, linkPort: linkPortOf(config), owner };
  const policies = new Map<string, Promise<void>>();
  let made = 0;

  /** Once for each tenant and way; asked for again where it failed. */
  const havePolicy = (of: PodFunction | undefined): Promise<void> => {
    const policy = networkPolicy(place, of?.tenant, of?.network ?? "pool");
    const key = policy.metadata.name;
    const applied = policies.get(key) ?? persist(() => cluster.apply(policy), sleep);
    policies.set(key, applied);
    applied.catch(() => policies.delete(key));
    return applied;
  };
  return {
    nameFor: ({ tenant, functionName, version }) => {
      made += 1;
      const instance = `${options.bootPrefix}-${made}`;
      return podName({ zone, tenant, functionName, version, instance });
    },
    make: (plan, listener) => {
      const token = identity.sign("token", plan.name);
      const manifest = podManifest(settings, { ...plan, token });
      return pods.create(manifest, () => havePolicy(plan.of), listener);
    },
    assign: (pod, of) => pod.relabel(of, () => havePolicy(of)),
  };
}

export const linkPortOf = ({ linkAddress }: KubernetesConfig): number =>
  Number(linkAddress.slice(linkAddress.lastIndexOf(":") + 1));

const settingsOf = ({ config, zone, identity, owner }: PodMakerOptions): PodSettings => ({
  ...config,
  runtimeClassName: config.runtimeClassName,
  agent: zone,
  owner,
  environment: {
    MERIDIAN_AGENT: config.linkAddress,
    MERIDIAN_AGENT_CERTIFICATE: identity.certificate,
    MERIDIAN_AGENT_GRACE_MS: String(config.podGraceMs),
  },
});
