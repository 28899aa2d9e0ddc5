import type { DrillReport } from "#lib/contracts/drill.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import type { Deed, Moments } from "./core/drill.ts";

/** What a run writes down about itself while it goes on. */
export interface RunNotes {
  /** Remembers that something happened, now or at that time of the machine's clock. */
  readonly mark: (moment: keyof Moments, atMs?: number) => void;
  readonly moments: () => Moments;
  /** Wall clock of when the load began, or the run where there was no load. */
  readonly startedAtMs: () => number;
  /** Machine's clock: when the run began, long before its load. */
  readonly beganMs: number;
  readonly deed: (deed: Deed) => void;
  readonly deeds: () => readonly Deed[];
  /** For the report and for the one who watches. */
  readonly event: (what: string) => void;
  /** With times since the load began, or since the run did where there was no load. */
  readonly events: () => DrillReport["events"];
}

/** More events than this are a fault of their own. */
const EVENTS_MAX = 1_000;

export function takeNotes(say: (line: string) => void): RunNotes {
  const startedMs = machineNowMs();
  const marked = new Map<keyof Moments, number>();
  const deeds: Deed[] = [];
  const events: { atMs: number; what: string }[] = [];
  const at = (moment: keyof Moments): number | null => marked.get(moment) ?? null;

  return {
    mark: (moment, atMs = machineNowMs()) => void marked.set(moment, atMs),
    moments: () => {
      const loadStartedMs = at("loadStartedMs") ?? startedMs;
      return {
        loadStartedMs,
        faultCommandedMs: at("faultCommandedMs"),
        faultedMs: at("faultedMs"),
        detectedMs: at("detectedMs"),
        healCommandedMs: at("healCommandedMs"),
        healedMs: at("healedMs"),
        loadEndedMs: at("loadEndedMs") ?? loadStartedMs,
      };
    },
    startedAtMs: () =>
      Math.round(Date.now() - (machineNowMs() - (at("loadStartedMs") ?? startedMs))),
    beganMs: startedMs,
    deed: (deed) => void deeds.push(deed),
    deeds: () => deeds,
    event: (what) => {
      const atMs = machineNowMs();
      if (events.length < EVENTS_MAX) events.push({ atMs, what });
      const seconds = (atMs - (at("loadStartedMs") ?? startedMs)) / 1_000;
      say(`${seconds.toFixed(1).padStart(6)} s  ${what}`);
    },
    events: () => {
      const origin = at("loadStartedMs") ?? startedMs;
      return events.map(({ atMs, what }) => ({ atMs: Math.round(atMs - origin), what }));
    },
  };
}
