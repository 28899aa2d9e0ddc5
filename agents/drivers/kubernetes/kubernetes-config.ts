import { type Static, Type } from "typebox";

const Milliseconds = (defaultMs: number) => Type.Integer({ minimum: 1, default: defaultMs });
const Words = Type.Record(Type.String(), Type.String(), { default: {} });
const closed = { additionalProperties: false } as const;

/** How the driver for Kubernetes reaches its cluster, and what its pods are like: docs/kubernetes.md. */
export const KubernetesConfig = Type.Object(
  {
    /** Absent: the service account of the pod that the agent runs in. */
    kubeconfig: Type.Optional(Type.String()),
    /** Absent: the current one. */
    context: Type.Optional(Type.String()),
    namespace: Type.String({ pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" }),
    image: Type.String({ minLength: 1 }),
    imagePullPolicy: Type.Union(
      [Type.Literal("IfNotPresent"), Type.Literal("Always"), Type.Literal("Never")],
      { default: "IfNotPresent" },
    ),
    imagePullSecrets: Type.Array(Type.String(), { default: [] }),
    /** Of the launcher in the image, from its working directory. */
    command: Type.Array(Type.String(), {
      minItems: 1,
      default: ["node", "agents/runtimes/pod/main.mjs"],
    }),
    /** Such as `kata`; absent: the cluster's own. */
    runtimeClassName: Type.Optional(Type.String()),
    labels: Words,
    nodeSelector: Words,
    tolerations: Type.Array(Type.Object({}, { additionalProperties: true }), { default: [] }),
    /** Of each tier; a tier that is not named has the cluster's own. */
    priorityClassNames: Type.Object(
      {
        critical: Type.Optional(Type.String()),
        normal: Type.Optional(Type.String()),
        batch: Type.Optional(Type.String()),
      },
      { ...closed, default: {} },
    ),
    /** Of `/tmp` and of the code, each. */
    ephemeralMegabytes: Type.Integer({ minimum: 1, default: 512 }),
    /** `HOST:PORT` where pods find the agent; the same after it is started anew. */
    linkAddress: Type.String({ pattern: "^.+:[0-9]{1,5}$" }),
    /** Where the agent listens for them, at the port of `linkAddress`. */
    linkHost: Type.String({ default: "0.0.0.0" }),
    /** From the request for a pod until a process runs in it. */
    podStartTimeoutMs: Milliseconds(60_000),
    /** How long a pod outlives its connection to an agent. */
    podGraceMs: Milliseconds(60_000),
    /** How long another agent waits for one that is silent. */
    leaseDurationMs: Milliseconds(10_000),
    /** Pods that wait for any function. */
    warmPodsMax: Type.Integer({ minimum: 0, default: 2 }),
  },
  closed,
);
export type KubernetesConfig = Static<typeof KubernetesConfig>;
