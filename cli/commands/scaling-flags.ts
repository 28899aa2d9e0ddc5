import { InvalidArgumentError } from "@commander-js/extra-typings";
import type { TSchema } from "typebox";
import { Value } from "typebox/value";
import { Scaling } from "#lib/contracts/scaling.ts";
import { wantedBy } from "../bundle/describe-mistake.ts";

const OF_ANY_MODE = ["mode", "minInstances", "maxInstances", "provisioned"];
const KPA_KNOBS = Object.keys(Scaling.properties).filter((name) => !OF_ANY_MODE.includes(name));

export interface ScalingFlags {
  readonly scaling?: string | undefined;
  readonly minInstances?: number | undefined;
  readonly maxInstances?: number | undefined;
  readonly provisioned?: number | undefined;
  readonly kpa?: Readonly<Record<string, string | number>> | undefined;
}

/** The part of a manifest's `scaling` that flags say; undefined where they say nothing. A knob of `kpa` implies the mode. */
export function scalingPart(flags: ScalingFlags): Readonly<Record<string, unknown>> | undefined {
  const { scaling: mode, minInstances, maxInstances, provisioned, kpa } = flags;
  const said = { mode: mode ?? (kpa && "kpa"), minInstances, maxInstances, provisioned, ...kpa };
  const part = Object.entries(said).filter(([, value]) => value !== undefined);
  return part.length === 0 ? undefined : Object.fromEntries(part);
}

/** Collects `KNOB=VALUE`, each in the bounds of its knob. */
export function parseKnob(
  text: string,
  sofar: Readonly<Record<string, string | number>> = {},
): Record<string, string | number> {
  const [knob = "", value = "", ...more] = text.split("=");
  if (!KPA_KNOBS.includes(knob) || value === "" || more.length > 0)
    throw new InvalidArgumentError(`Write it as KNOB=VALUE; knobs are ${KPA_KNOBS.join(", ")}.`);
  const read = Number.isNaN(Number(value)) ? value : Number(value);
  const schema = new Map<string, TSchema>(Object.entries(Scaling.properties)).get(knob);
  if (schema === undefined || !Value.Check(schema, read))
    throw new InvalidArgumentError(`${knob} must ${wantedBy(schema) ?? "be another value"}.`);
  return { ...sofar, [knob]: read };
}
