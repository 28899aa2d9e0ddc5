import type { KubernetesObject, V1Lease, V1Secret } from "@kubernetes/client-node";
import type { ObservedPod } from "#lib/contracts/observed-pod.ts";
import { FIELD_MANAGER } from "../../core/kubernetes/labels.ts";
import { told } from "./api-answers.ts";
import { isStatus } from "./cluster-refusal.ts";
import type { KubernetesConfig } from "./kubernetes-config.ts";
import { type PodEvent, readPod, type WatchEnd, watchPods } from "./watch-pods.ts";

/** Of one answer; a longer list comes in several. */
const PODS_OF_ONE_PAGE = 500;

export interface Applied {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
}

export interface LeaseClaim {
  /** Empty: nobody's. */
  readonly holder: string;
  /** Which process of that holder. */
  readonly process: string;
  readonly durationMs: number;
}

export interface LeaseRecord extends LeaseClaim {
  readonly uid: string;
  readonly resourceVersion: string;
}

const PROCESS_ANNOTATION = "meridian.dev/process";

/** What the driver asks of a cluster. What is refused rejects with a ClusterRefusal. */
export interface Cluster {
  /** Server-side apply; the same again changes nothing. */
  readonly apply: (manifest: Applied) => Promise<void>;
  readonly removePod: (name: string, graceSeconds: number) => Promise<void>;
  readonly listPods: () => Promise<{
    readonly pods: readonly ObservedPod[];
    readonly resourceVersion: string;
  }>;
  readonly watchPods: (
    resourceVersion: string,
    onEvent: (event: PodEvent) => void,
    signal: AbortSignal,
  ) => Promise<WatchEnd>;
  readonly readLease: (name: string) => Promise<LeaseRecord | undefined>;
  /** Replaces the record that was read, if nobody did in between; makes it where there was none. */
  readonly writeLease: (
    name: string,
    claim: LeaseClaim,
    read: LeaseRecord | undefined,
  ) => Promise<LeaseRecord>;
  readonly readSecret: (name: string) => Promise<V1Secret | undefined>;
  readonly createSecret: (secret: V1Secret) => Promise<void>;
}

/** Takes 0.4 s to import, so only who has a cluster does. */
export async function openCluster(
  config: KubernetesConfig,
  podSelector: string,
  wallMs: () => number,
): Promise<Cluster> {
  const client = await import("@kubernetes/client-node");
  const { namespace } = config;
  const kubeConfig = new client.KubeConfig();
  // In a cluster the token's file is read again before it expires.
  if (config.kubeconfig === undefined) kubeConfig.loadFromCluster();
  else kubeConfig.loadFromFile(config.kubeconfig);
  if (config.context !== undefined) kubeConfig.setCurrentContext(config.context);
  const objects = client.KubernetesObjectApi.makeApiClient(kubeConfig);
  const watch = new client.Watch(kubeConfig);

  const read = async <T extends KubernetesObject>(
    apiVersion: string,
    kind: string,
    name: string,
  ): Promise<T | undefined> => {
    try {
      return await told(objects.read<T>({ apiVersion, kind, metadata: { name, namespace } }));
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw error;
    }
  };

  return {
    apply: async (manifest) => {
      const { ServerSideApply } = client.PatchStrategy;
      await told(
        objects.patch({ ...manifest }, undefined, undefined, FIELD_MANAGER, false, ServerSideApply),
      );
    },
    removePod: async (name, graceSeconds) => {
      const pod = { apiVersion: "v1", kind: "Pod", metadata: { name, namespace } };
      try {
        await told(objects.delete(pod, undefined, undefined, graceSeconds));
      } catch (error) {
        if (!isStatus(error, 404)) throw error;
      }
    },
    listPods: async () => {
      const pods: ObservedPod[] = [];
      for (let from: string | undefined; ;) {
        const page = await told(
          objects.list(
            "v1",
            "Pod",
            namespace,
            undefined,
            undefined,
            undefined,
            undefined,
            podSelector,
            PODS_OF_ONE_PAGE,
            from,
          ),
        );
        pods.push(...page.items.flatMap((item) => readPod(item) ?? []));
        from = page.metadata?._continue;
        const resourceVersion = page.metadata?.resourceVersion ?? "";
        if (from === undefined || from === "") return { pods, resourceVersion };
      }
    },
    watchPods: (resourceVersion, onEvent, signal) =>
      watchPods(watch, namespace, podSelector, resourceVersion, onEvent, signal),
    readLease: async (name) => {
      const lease = await read<V1Lease>("coordination.k8s.io/v1", "Lease", name);
      return lease === undefined ? undefined : leaseRecord(lease);
    },
    writeLease: async (name, { holder, process, durationMs }, before) => {
      const lease: V1Lease = {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: {
          name,
          namespace,
          annotations: { [PROCESS_ANNOTATION]: process },
          ...(before !== undefined && { resourceVersion: before.resourceVersion }),
        },
        spec: {
          holderIdentity: holder,
          leaseDurationSeconds: Math.ceil(durationMs / 1_000),
          renewTime: new client.V1MicroTime(wallMs()),
        },
      };
      const write = before === undefined ? objects.create(lease) : objects.replace(lease);
      return leaseRecord(await told(write));
    },
    readSecret: (name) => read<V1Secret>("v1", "Secret", name),
    createSecret: async (secret) => void (await told(objects.create(secret))),
  };
}

const leaseRecord = ({ metadata, spec }: V1Lease): LeaseRecord => ({
  uid: metadata?.uid ?? "",
  resourceVersion: metadata?.resourceVersion ?? "",
  holder: spec?.holderIdentity ?? "",
  process: metadata?.annotations?.[PROCESS_ANNOTATION] ?? "",
  durationMs: (spec?.leaseDurationSeconds ?? 0) * 1_000,
});
