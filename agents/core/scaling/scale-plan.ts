/** What a mode wants, before limits and floors. */
export interface ScalePlan<State> {
  readonly state: State;
  /** Instances to start for calls; below 0: more are on their way than needed. */
  readonly startForCalls: number;
  /** Instances to have even without a call. */
  readonly hold: number;
  /** How long an instance may be idle, the last one or another; undefined: for ever. */
  readonly idleMsOf: (isLast: boolean) => number | undefined;
  /** When to decide again though nothing happens. */
  readonly checkAtMs: number | undefined;
}
