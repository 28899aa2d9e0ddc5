/*
 * What the two load processes are told on their standard input, and print on their standard output, as JSON. Times are
 * milliseconds of the machine's monotonic clock.
 */

interface Target {
  /** `http://host:port/path`; loopback only. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Each connection has one request in flight, always: what is measured is what the server can do. */
export interface ClosedLoopPlan extends Target {
  readonly connections: number;
  /** Ends when both are reached. */
  readonly seconds: number;
  readonly requestsMin: number;
}

export interface ClosedLoopResult {
  readonly requests: number;
  /** Answers other than 200, and connections that broke. */
  readonly errors: number;
  readonly firstError: string | null;
  readonly elapsedSeconds: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
}

/** A call is sent when it is due, whatever became of those before it. */
export interface OpenLoopPlan extends Target {
  /** Calls are numbered from 1; `CALL_NUMBER_PLACE` in the body becomes the number, in as many digits. */
  readonly body: string;
  /** An answer without the call's number in it is one of another call. */
  readonly isNumberAnswered: boolean;
  readonly startAtMs: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly timeoutMs: number;
}

export const CALL_NUMBER_PLACE = "00000000";
export const callNumberText = (number: number): string =>
  String(number).padStart(CALL_NUMBER_PLACE.length, "0");

export interface DrivenCall {
  readonly number: number;
  readonly dueMs: number;
  readonly sentMs: number;
  readonly endedMs: number;
  /** Null for an answer with status 200; else what went wrong. */
  readonly failure: string | null;
}
