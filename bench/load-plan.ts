/** What the load generator is told on its standard input, as JSON. */
export interface LoadPlan {
  /** `http://host:port/path`; loopback only. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Each keeps one request in flight: a closed loop, whose latency is that under full load. */
  readonly connections: number;
  readonly seconds: number;
}

/** What it prints once it is done, as JSON. */
export interface LoadResult {
  readonly requests: number;
  /** Answers other than 200, and connections that broke. */
  readonly errors: number;
  readonly firstError: string | null;
  readonly elapsedSeconds: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
}
