import type { EarlyEnd } from "../core/judge-verdict.ts";

/** The drill ends here, for a reason that is its verdict; what was begun is undone on the way out. */
export class DrillStopped extends Error implements EarlyEnd {
  override readonly name = "DrillStopped";
  readonly verdict: EarlyEnd["verdict"];
  readonly because: string;

  constructor(verdict: EarlyEnd["verdict"], because: string) {
    super(because);
    this.verdict = verdict;
    this.because = because;
  }
}
