import type { DrillExtension } from "#lib/contracts/drill.ts";

/** What the `meridian` entry of an experiment asks for. */
export type Drill = DrillExtension["drill"];

/** What the runner did to the zone, in milliseconds of the machine's monotonic clock. */
export interface Deed {
  readonly kind: "kill" | "start";
  readonly fromMs: number;
  readonly untilMs: number;
  /** Why it did not succeed; null when it did. */
  readonly failure: string | null;
}

/** One probe of the hypothesis, asked once, in milliseconds of the machine's monotonic clock. */
export interface ProbeResult {
  readonly name: string;
  readonly holds: boolean;
  /** What was seen, in words. */
  readonly seen: string;
  /** HTTP status; null without an answer. */
  readonly status: number | null;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** When things happened, in milliseconds of the machine's monotonic clock; null for what was not reached. */
export interface Moments {
  readonly loadStartedMs: number;
  readonly faultCommandedMs: number | null;
  /** All processes of the zone were proved to be gone. Everything is measured from here. */
  readonly faultedMs: number | null;
  readonly detectedMs: number | null;
  readonly healCommandedMs: number | null;
  /** Starting the zone again had returned. */
  readonly healedMs: number | null;
  readonly loadEndedMs: number;
}
