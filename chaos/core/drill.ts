import type { DrillExtension } from "#lib/contracts/drill.ts";

/** What the `meridian` entry of an experiment asks for. */
export type Drill = DrillExtension["drill"];

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
