import { existsSync } from "node:fs";
import type { TestContext } from "node:test";
import { KubeConfig, KubernetesObjectApi, PatchStrategy } from "@kubernetes/client-node";
import { pino } from "pino";
import { Value } from "typebox/value";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import type { InstanceDriver } from "../../agents/drivers/driver.ts";
import { freePort } from "../../agents/drivers/free-port.ts";
import { createKubernetesDriver } from "../../agents/drivers/kubernetes/kubernetes.ts";
import { KubernetesConfig } from "../../agents/drivers/kubernetes/kubernetes-config.ts";
import { ALL_CLUSTERS } from "../engines/kubernetes/cluster-plan.ts";

const [FIRST] = ALL_CLUSTERS;
const {
  MERIDIAN_TEST_KUBECONFIG: KUBECONFIG = FIRST?.kubeconfig ?? "",
  MERIDIAN_TEST_IMAGE: IMAGE = "meridian.local/meridian:0.1.0",
  /** Where pods reach this machine. */
  MERIDIAN_TEST_LINK_HOST: LINK_HOST = FIRST?.hostAddress ?? "",
} = process.env;

/** Why there is no cluster to test with; undefined: there is one. */
export const noCluster: string | undefined = existsSync(KUBECONFIG)
  ? undefined
  : "there is no cluster: `npm run clusters -- up 1`, or MERIDIAN_TEST_KUBECONFIG and the other variables of test/kubernetes/driver-cluster.ts";

const portsGiven = new Set<number>();

export const NAMESPACE = "meridian-driver-test";

/** The API of the cluster itself, as an administrator. */
export function administrator(): KubernetesObjectApi {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(KUBECONFIG);
  return KubernetesObjectApi.makeApiClient(kubeConfig);
}

/** A namespace that takes nothing but what is restricted. */
export async function prepareNamespace(): Promise<void> {
  const objects = [
    {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: NAMESPACE, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    },
    {
      apiVersion: "node.k8s.io/v1",
      kind: "RuntimeClass",
      metadata: { name: "kata" },
      handler: "kata",
    },
  ];
  for (const object of objects)
    await administrator().patch(
      object,
      undefined,
      undefined,
      "meridian-test",
      true,
      PatchStrategy.ServerSideApply,
    );
}

export async function kubernetesConfig(
  changes: Partial<KubernetesConfig> = {},
): Promise<KubernetesConfig> {
  const said: unknown = Value.Default(KubernetesConfig, {
    kubeconfig: KUBECONFIG,
    namespace: NAMESPACE,
    image: IMAGE,
    imagePullPolicy: "Never",
    runtimeClassName: "kata",
    linkAddress: `${LINK_HOST}:${await freePort(portsGiven)}`,
    warmPodsMax: 0,
    ...changes,
  });
  return Value.Parse(KubernetesConfig, said);
}

export interface OpenDriverOptions {
  readonly zone: string;
  readonly holder?: string;
  readonly onReplaced?: () => void;
}

export async function openKubernetesDriver(
  t: TestContext,
  { zone, holder = "test", onReplaced = () => undefined }: OpenDriverOptions,
  changes: Partial<KubernetesConfig> = {},
): Promise<InstanceDriver> {
  const driver = await createKubernetesDriver({
    config: await kubernetesConfig(changes),
    zone,
    holder,
    clock: systemClock,
    random: systemRandom,
    log: pino({ level: "silent" }),
    onReplaced,
  });
  t.after(driver.close);
  return driver;
}
