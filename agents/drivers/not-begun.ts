import type { InstanceCall } from "./driver.ts";

/** The call of an instance that was gone before the call could reach it. */
export const notBegun = (): InstanceCall => ({
  outcome: Promise.resolve({ kind: "not-begun" }),
  cancel: () => undefined,
  abandon: () => false,
});
