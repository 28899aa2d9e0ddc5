import { type Static, Type } from "typebox";

/** Whole seconds from `6s` to `3600s`, the bounds that Knative sets to its windows. */
const WindowText = Type.String({
  pattern: "^([6-9]|[1-9][0-9]{1,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)s$",
  description: "whole seconds from 6s to 3600s, such as 60s",
});
/** Whole seconds from `0s` to `3600s`. */
const DelayText = Type.String({
  pattern: "^(0|[1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)s$",
  description: "whole seconds from 0s to 3600s, such as 30s",
});
const Instances = (minimum: number) => Type.Integer({ minimum, maximum: 1_000 });

/**
 * How many instances a version has in each cluster that runs it. Those from `target` on are for `kpa` alone and have Knative's names,
 * units, bounds and defaults.
 */
export const Scaling = Type.Object(
  {
    /** `request`: an instance for each waiting call; `kpa`: Knative's autoscaler. Absent: `request`. */
    mode: Type.Optional(Type.Union([Type.Literal("request"), Type.Literal("kpa")])),
    /** Absent: 0, so that a function that nobody calls costs nothing. */
    minInstances: Type.Optional(Instances(0)),
    /** Absent: as many as the cluster has room for. */
    maxInstances: Type.Optional(Instances(1)),
    /** Initialised instances without a call, beside those that run one. Absent: 0. */
    provisioned: Type.Optional(Instances(0)),
    /** Calls that an instance is meant to run at the same time; never more than `concurrency`. Absent: `concurrency`. */
    target: Type.Optional(Type.Number({ minimum: 0.01, maximum: 1_000 })),
    /** Percent of `target` that is aimed at. Absent: 70. */
    targetUtilization: Type.Optional(Type.Number({ minimum: 1, maximum: 100 })),
    /** Absent: `60s`. */
    stableWindow: Type.Optional(WindowText),
    /** Of the stable window. Absent: 10. */
    panicWindowPercentage: Type.Optional(Type.Number({ minimum: 1, maximum: 100 })),
    /** Of what the instances are meant to run. Absent: 200. */
    panicThresholdPercentage: Type.Optional(Type.Number({ minimum: 110, maximum: 1_000 })),
    /** Absent: `0s`. */
    scaleDownDelay: Type.Optional(DelayText),
    /** Instances that the first call starts. Absent: 1. */
    activationScale: Type.Optional(Instances(1)),
    /** Absent: 1000. */
    maxScaleUpRate: Type.Optional(Type.Number({ minimum: 1.01, maximum: 10_000 })),
    /** Absent: 2. */
    maxScaleDownRate: Type.Optional(Type.Number({ minimum: 1.01, maximum: 10_000 })),
    /** -1: without limit. Absent: 211. */
    targetBurstCapacity: Type.Optional(Type.Number({ minimum: -1, maximum: 100_000 })),
    /** Absent: `30s`. */
    scaleToZeroGracePeriod: Type.Optional(WindowText),
  },
  { additionalProperties: false },
);
export type Scaling = Static<typeof Scaling>;
