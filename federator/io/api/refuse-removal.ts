import { MeridianError } from "#lib/errors.ts";
import type { RemovalPlan } from "../../core/functions/plan-removals.ts";
import { changedMeanwhile } from "./etags.ts";

/** Why `what` is not removed. */
export function refuseRemoval(
  plan: Exclude<RemovalPlan, { readonly kind: "remove" }>,
  what: string,
): MeridianError {
  switch (plan.kind) {
    case "missing":
      return new MeridianError(
        "MERIDIAN_NOT_FOUND",
        `There is no ${what.replace(/^the /, "")}; list what there is and choose.`,
      );
    case "changed-meanwhile":
      return changedMeanwhile(what, plan.revision);
    case "in-use":
      return new MeridianError(
        "MERIDIAN_CONFLICT",
        `It is needed: ${plan.by.join(", ")} would be without ${what}. Move or remove ${plan.by.length > 1 ? "those" : "that"} first.`,
        { members: { neededBy: plan.by } },
      );
  }
}
