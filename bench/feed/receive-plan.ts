/** What a process of receivers does; goes to it as one JSON line, and the stamps as the next when it shall end. */
export interface ReceivePlan {
  readonly url: string;
  /** Sent with each request. */
  readonly headers: Readonly<Record<string, string>>;
  readonly receivers: number;
  /** Receiver number N is called `<name>.<N>`. */
  readonly name: string;
  /** Whether each acknowledges once a second, as gateways and agents do. */
  readonly acknowledges: boolean;
  /** What is awaited, by its number: a revision of the table, or a cluster called `down-<number>` in the overlay. */
  readonly awaits: "table" | "overlay";
}

/** When each revision, or overlay, was sent to be committed, on the machine's monotonic clock. */
export type Stamps = readonly (readonly [revision: number, atMs: number])[];

export interface ReceiveResult {
  readonly deliveries: number;
  /** Revisions that not every receiver got; the newest ones may still be under way. */
  readonly incomplete: number;
  /** From the commit to one receiver. */
  readonly p50Micros: number;
  readonly p99Micros: number;
  /** From the commit to the last receiver. */
  readonly allP50Micros: number;
  readonly allP99Micros: number;
}
