import type { DrillVerdict } from "#lib/contracts/drill.ts";

/** The drill ends here, for a reason that is its verdict; what was begun is undone on the way out. */
export class DrillStopped extends Error {
  override readonly name = "DrillStopped";
  readonly verdict: Exclude<DrillVerdict, "PASSED" | "FAILED">;

  constructor(verdict: DrillStopped["verdict"], because: string) {
    super(because);
    this.verdict = verdict;
  }
}
