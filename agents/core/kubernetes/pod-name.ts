import { hash } from "node:crypto";

/** Also of a label, and of the host's name inside a pod: RFC 1123. */
const NAME_MAX = 63;
const HASH_CHARACTERS = 12;

export interface NamedPod {
  readonly zone: string;
  readonly tenant: string;
  readonly functionName: string;
  readonly version: number;
  /** Of this agent and one start of it. */
  readonly instance: string;
}

/**
 * A name that people can read and that is the same for the same instance: a request that is repeated makes nothing twice. What does not
 * fit, or is no DNS label, is left out, and the hash of all of it tells such names apart.
 */
export function podName({ zone, tenant, functionName, version, instance }: NamedPod): string {
  const whole = JSON.stringify([zone, tenant, functionName, version, instance]);
  const shown = `${asLabel(zone, 16)}-${asLabel(functionName, 24)}-v${version}`;
  const suffix = `-${hash("sha256", whole).slice(0, HASH_CHARACTERS)}`;
  return shown.slice(0, NAME_MAX - suffix.length).replace(/-+$/, "") + suffix;
}

/** What a name becomes as the value of a label: itself where that is one, else its hash with what can be read of it. */
export function labelValue(name: string): string {
  if (/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(name)) return name;
  return `${asLabel(name, 40)}-${hash("sha256", name).slice(0, HASH_CHARACTERS)}`;
}

const asLabel = (name: string, charactersMax: number): string => {
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9-]+/g, "-");
  return plain.slice(0, charactersMax).replaceAll(/^-+|-+$/g, "") || "x";
};
