import { createReadStream } from "node:fs";
import { rename } from "node:fs/promises";
import type { Logger } from "pino";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { readJsonLines } from "#lib/io/json-lines.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { BINS, GAPS_MAX, type IdleGaps, idleGapsOf } from "../core/scaling/idle-gaps.ts";

/** A killed agent forgets so much of what takes hours to learn. */
const SAVE_INTERVAL_MS = 60_000;
/** Of which those that came last are kept: as many as are remembered in memory at rest. */
const VERSIONS_MAX = 10_000;
const LINE_CHARACTERS_MAX = 1_048_576;

const Count = Type.Integer({ minimum: 1, maximum: GAPS_MAX });
/** One line for each version. */
const Rhythm = Type.Object({
  /** Its `versionIdentity`. */
  version: Type.String({ pattern: "^[0-9a-f]{64}$" }),
  bins: Type.Array(Type.Tuple([Type.Integer({ minimum: 0, maximum: BINS - 1 }), Count]), {
    maxItems: GAPS_MAX,
  }),
  beyond: Type.Integer({ minimum: 0, maximum: GAPS_MAX }),
});

/** What is known of versions' idle times, by `versionIdentity`. */
type Rhythms = readonly (readonly [string, IdleGaps])[];

/** What the agent before this one learnt; a file that is damaged is set aside, and nothing of it used. */
export async function readRhythms(
  path: string,
  log: Pick<Logger, "warn">,
): Promise<ReadonlyMap<string, IdleGaps>> {
  const found = new Map<string, IdleGaps>();
  try {
    for await (const line of readJsonLines(createReadStream(path), () => LINE_CHARACTERS_MAX)) {
      const { version, bins, beyond } = Value.Parse(Rhythm, line);
      const gaps = idleGapsOf(new Map(bins), beyond);
      if (gaps.count > GAPS_MAX) throw new Error(`${gaps.count} gaps are more than are ever kept`);
      found.set(version, gaps);
      if (found.size > VERSIONS_MAX) throw new Error("there are more versions than are ever kept");
    }
    return found;
  } catch (error) {
    if (isMissing(error)) return new Map();
    const asideAs = `${path}.damaged`;
    log.warn({ err: error, asideAs }, "what was learnt of idle times cannot be read; set aside");
    await rename(path, asideAs).catch(() => undefined);
    return new Map();
  }
}

/** Keeps them on disk from now on, where something was learnt; the last time when it is closed. */
export function keepRhythms(
  path: string,
  rhythms: () => Rhythms,
  clock: Clock,
  log: Pick<Logger, "warn">,
): { readonly close: () => Promise<void> } {
  const stopping = new AbortController();
  let saved: Rhythms = [];
  const save = async (): Promise<void> => {
    const newest = rhythms().slice(-VERSIONS_MAX);
    if (isSame(newest, saved)) return;
    try {
      await writeAtomically(path, lines(newest));
      saved = newest;
    } catch (error) {
      log.warn({ err: error }, "what was learnt of idle times is not on disk");
    }
  };
  const saving = (async () => {
    while (!stopping.signal.aborted) {
      await clock.sleep(SAVE_INTERVAL_MS, stopping.signal).catch(() => undefined);
      await save();
    }
  })();
  return {
    close: async () => {
      stopping.abort();
      await saving;
    },
  };
}

/** Line by line, so that a long file holds up no call. */
function* lines(rhythms: Rhythms): Generator<string> {
  for (const [version, { bins, beyond }] of rhythms)
    yield `${JSON.stringify({ version, bins: [...bins], beyond })}\n`;
}

/** Gaps are never changed in place. */
const isSame = (one: Rhythms, other: Rhythms): boolean =>
  one.length === other.length &&
  one.every(([version, gaps], index) => {
    const [otherVersion, otherGaps] = other[index] ?? [];
    return version === otherVersion && gaps === otherGaps;
  });

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ENOENT";
