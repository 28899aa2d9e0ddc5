export interface DrillOptions {
  readonly experimentFile: string;
  /** A running federation's state folder; without it the drill starts one of its own. */
  readonly state?: string;
  readonly reportDirectory?: string;
  readonly withoutFailover: boolean;
  /** Lines for the one who watches. */
  readonly say: (line: string) => void;
  /** Ends the drill as INTERRUPTED, with everything undone. */
  readonly signal: AbortSignal;
  /** How `meridian up` is started; the tests start something smaller. */
  readonly federationCommand?: readonly string[];
  /** Where journals are; the tests have a place of their own. */
  readonly journalDirectory?: string;
}
