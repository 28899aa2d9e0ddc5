/** On everything the agent makes; a selector by `agent` finds all of it and nothing of another federation's. */
export const LABEL = {
  agent: "meridian.dev/agent",
  /** `instance`, or `pool` for one that has no function yet. */
  role: "meridian.dev/role",
  tenant: "meridian.dev/tenant",
  functionName: "meridian.dev/function",
  version: "meridian.dev/version",
  /** `outbound`, `none`, or `pool`. */
  network: "meridian.dev/network",
} as const;

/** Who owns the fields of what it applies. */
export const FIELD_MANAGER = "meridian-agent";
