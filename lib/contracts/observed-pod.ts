import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";

const Text = Type.Optional(Type.String());

const ContainerState = Type.Object(
  {
    waiting: Type.Optional(Type.Object({ reason: Text, message: Text }, extensible)),
    terminated: Type.Optional(
      Type.Object({ reason: Text, exitCode: Type.Optional(Type.Integer()) }, extensible),
    ),
  },
  extensible,
);

/** What the agent reads of a pod, as the API of Kubernetes tells it: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ */
export const ObservedPod = Type.Object(
  {
    metadata: Type.Object(
      {
        name: Type.String({ minLength: 1 }),
        uid: Type.String(),
        resourceVersion: Text,
        labels: Type.Optional(Type.Record(Type.String(), Type.String())),
        deletionTimestamp: Type.Optional(Type.Unknown()),
      },
      extensible,
    ),
    status: Type.Optional(
      Type.Object(
        {
          phase: Text,
          reason: Text,
          message: Text,
          conditions: Type.Optional(
            Type.Array(
              Type.Object(
                { type: Type.String(), status: Type.String(), reason: Text, message: Text },
                extensible,
              ),
            ),
          ),
          containerStatuses: Type.Optional(
            Type.Array(Type.Object({ state: Type.Optional(ContainerState) }, extensible)),
          ),
        },
        extensible,
      ),
    ),
  },
  extensible,
);
export type ObservedPod = Static<typeof ObservedPod>;
