import type { Runtime } from "#lib/contracts/function-manifest.ts";
import type { NetworkAccess } from "#lib/contracts/isolation.ts";
import { LABEL } from "./labels.ts";
import { type Owner, ownerReference } from "./owner-reference.ts";
import { labelValue } from "./pod-name.ts";

/** What our runner needs beside the function's own memory, and the launcher in the pod. */
const RUNTIME_MEGABYTES = 48;
const LAUNCHER_MEGABYTES = 64;
/** As on AWS Lambda, memory buys a share of a processor: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html */
const MEGABYTES_OF_ONE_PROCESSOR = 1_769;
const PROCESSOR_MILLIS_MIN = 50;
/** No user of the node: https://github.com/GoogleContainerTools/distroless uses the same number. */
const USER = 65_532;

/** What all pods of one agent have in common. */
export interface PodSettings {
  readonly namespace: string;
  readonly agent: string;
  readonly image: string;
  readonly imagePullPolicy: "Always" | "IfNotPresent" | "Never";
  readonly imagePullSecrets: readonly string[];
  /** Of the launcher in the image. */
  readonly command: readonly string[];
  readonly runtimeClassName: string | undefined;
  readonly ephemeralMegabytes: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly tolerations: readonly object[];
  readonly priorityClassNames: Readonly<Partial<Record<string, string>>>;
  /** For the launcher: where its agent is, and how it is known. */
  readonly environment: Readonly<Record<string, string>>;
  /** Gone with it. */
  readonly owner: Owner;
}

export interface PodPlan {
  readonly name: string;
  /** Good for its first connection. */
  readonly token: string;
  readonly runtime: Runtime;
  readonly memoryMegabytes: number;
  readonly tier: string | undefined;
  /** Absent: a pod that waits for any function. */
  readonly of: PodFunction | undefined;
}

export interface PodFunction {
  readonly tenant: string;
  readonly functionName: string;
  readonly version: number;
  readonly network: NetworkAccess;
}

/** The pod of one instance, within what the Pod Security Standard "restricted" allows; nothing of the function's environment is in it. */
export function podManifest(settings: PodSettings, plan: PodPlan) {
  const { namespace, owner, labels } = settings;
  const priorityClassName = settings.priorityClassNames[plan.tier ?? "normal"];
  const { runtimeClassName, imagePullSecrets } = settings;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: plan.name,
      namespace,
      labels: { ...labels, ...ownLabels(settings.agent, plan.of) },
      ownerReferences: [ownerReference(owner)],
    },
    spec: {
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 30,
      ...(runtimeClassName !== undefined && { runtimeClassName }),
      ...(priorityClassName !== undefined && { priorityClassName }),
      ...(imagePullSecrets.length > 0 && {
        imagePullSecrets: imagePullSecrets.map((name) => ({ name })),
      }),
      nodeSelector: settings.nodeSelector,
      tolerations: settings.tolerations,
      topologySpreadConstraints: ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map(
        (topologyKey) => spread(topologyKey, settings.agent, plan.of),
      ),
      securityContext: {
        runAsNonRoot: true,
        runAsUser: USER,
        runAsGroup: USER,
        fsGroup: USER,
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [container(settings, plan)],
      volumes: ["tmp", "task"].map((name) => ({
        name,
        emptyDir: { sizeLimit: `${settings.ephemeralMegabytes}Mi` },
      })),
    },
  };
}

function container(settings: PodSettings, plan: PodPlan) {
  const memory = `${plan.memoryMegabytes + RUNTIME_MEGABYTES + LAUNCHER_MEGABYTES}Mi`;
  const ephemeral = `${settings.ephemeralMegabytes}Mi`;
  const millis = Math.round((plan.memoryMegabytes / MEGABYTES_OF_ONE_PROCESSOR) * 1_000);
  const environment = {
    ...settings.environment,
    MERIDIAN_POD: plan.name,
    MERIDIAN_POD_TOKEN: plan.token,
    MERIDIAN_POD_RUNTIME: plan.runtime,
  };
  return {
    name: "instance",
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy,
    command: settings.command,
    env: Object.entries(environment).map(([name, value]) => ({ name, value })),
    resources: {
      requests: { memory, cpu: `${Math.max(PROCESSOR_MILLIS_MIN, millis)}m` },
      limits: { memory, "ephemeral-storage": ephemeral },
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [
      { name: "tmp", mountPath: "/tmp" },
      { name: "task", mountPath: "/var/task" },
    ],
  };
}

/** Those that say whose a pod is; a pod of the pool is given them when it is taken. */
export function ownLabels(agent: string, of: PodFunction | undefined): Record<string, string> {
  if (of === undefined)
    return { [LABEL.agent]: agent, [LABEL.role]: "pool", [LABEL.network]: "pool" };
  return {
    [LABEL.agent]: agent,
    [LABEL.role]: "instance",
    [LABEL.tenant]: labelValue(of.tenant),
    [LABEL.functionName]: labelValue(of.functionName),
    [LABEL.version]: String(of.version),
    [LABEL.network]: of.network,
  };
}

const spread = (topologyKey: string, agent: string, of: PodFunction | undefined) => ({
  maxSkew: 1,
  topologyKey,
  whenUnsatisfiable: "ScheduleAnyway",
  labelSelector: { matchLabels: ownLabels(agent, of) },
});
