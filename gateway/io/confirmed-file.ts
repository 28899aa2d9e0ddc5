import { readFile } from "node:fs/promises";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import type { Clock } from "#lib/ports/clock.ts";

/** A restart makes the table look older than it is by so much at most. */
const SAVE_INTERVAL_MS = 60_000;

/** Clocks are set right by less than this all the time. */
const CLOCK_STEP_MS = 1_000;

const Confirmed = Type.Object(
  { confirmedAtWallMs: Type.Integer({ minimum: 0 }) },
  { additionalProperties: true },
);
type Confirmed = Static<typeof Confirmed>;

/** When this gateway's table was last known to be the newest, also by the process before it. */
export interface ConfirmedFile {
  /** Of the process before; infinite where that is not known. */
  readonly ageAtStartMs: number;
  /** The table was confirmed so long ago. */
  readonly note: (ageMs: number) => Promise<void>;
}

/** By the wall clock, as nothing else outlives a restart. */
export async function openConfirmedFile(path: string, clock: Clock): Promise<ConfirmedFile> {
  let savedAtMs = Number.NEGATIVE_INFINITY;
  return {
    ageAtStartMs: ageOf(await readConfirmed(path), clock.wallMs()),
    note: async (ageMs) => {
      if (clock.nowMs() - savedAtMs < SAVE_INTERVAL_MS) return;
      savedAtMs = clock.nowMs();
      const confirmed: Confirmed = {
        confirmedAtWallMs: Math.max(0, Math.round(clock.wallMs() - ageMs)),
      };
      await writeAtomically(path, `${JSON.stringify(confirmed)}\n`);
    },
  };
}

/** Where the clock was set back meanwhile nobody knows how long ago it was. */
function ageOf(confirmedAtWallMs: number, wallMs: number): number {
  const ageMs = wallMs - confirmedAtWallMs;
  return ageMs < -CLOCK_STEP_MS ? Number.POSITIVE_INFINITY : Math.max(0, ageMs);
}

async function readConfirmed(path: string): Promise<number> {
  try {
    const stored: unknown = JSON.parse(await readFile(path, "utf8"));
    if (Value.Check(Confirmed, stored)) return stored.confirmedAtWallMs;
  } catch {
    // As if it had never been confirmed.
  }
  return Number.NEGATIVE_INFINITY;
}
