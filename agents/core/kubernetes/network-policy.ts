import type { NetworkAccess } from "#lib/contracts/isolation.ts";
import { LABEL } from "./labels.ts";
import { type Owner, ownerReference } from "./owner-reference.ts";
import { labelValue } from "./pod-name.ts";

/** Where clouds tell whoever asks about the machine and its credentials. */
const LINK_LOCAL = "169.254.0.0/16";

export interface PolicyPlace {
  readonly namespace: string;
  readonly agent: string;
  /** That pods connect to. */
  readonly linkPort: number;
  /** Gone with it. */
  readonly owner: Owner;
}

/**
 * Nobody reaches a pod; it reaches its agent, and with `outbound` whatever is not link-local. One policy for each tenant and way, so that
 * an operator can look at, and add to, what one tenant may reach.
 */
export function networkPolicy(
  { namespace, agent, linkPort, owner }: PolicyPlace,
  tenant: string | undefined,
  network: NetworkAccess | "pool",
) {
  const toAgent = { ports: [{ protocol: "TCP", port: linkPort }] };
  // A name of the agent has to be found first.
  const toNames = { ports: ["UDP", "TCP"].map((protocol) => ({ protocol, port: 53 })) };
  const anywhere = {
    to: [{ ipBlock: { cidr: "0.0.0.0/0", except: [LINK_LOCAL] } }, { ipBlock: { cidr: "::/0" } }],
  };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: {
      name: policyName(agent, tenant, network),
      namespace,
      labels: { [LABEL.agent]: agent },
      ownerReferences: [ownerReference(owner)],
    },
    spec: {
      podSelector: {
        matchLabels: {
          [LABEL.agent]: agent,
          [LABEL.network]: network,
          ...(tenant !== undefined && { [LABEL.tenant]: labelValue(tenant) }),
        },
      },
      policyTypes: ["Ingress", "Egress"],
      ingress: [],
      egress: network === "outbound" ? [toAgent, toNames, anywhere] : [toAgent, toNames],
    },
  };
}

const policyName = (agent: string, tenant: string | undefined, network: string): string =>
  [`meridian-${agent}`, ...(tenant === undefined ? [] : [labelValue(tenant)]), network].join("-");
