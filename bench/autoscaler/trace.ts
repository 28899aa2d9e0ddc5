/** A call that somebody makes, whatever the platform does. */
export interface TracedCall {
  readonly atMs: number;
  readonly runMs: number;
}

/** All calls of one function, in the order in which they come. */
export interface TracedFunction {
  readonly name: string;
  readonly calls: readonly TracedCall[];
}

export interface Trace {
  readonly name: string;
  readonly endMs: number;
  readonly functions: readonly TracedFunction[];
}
