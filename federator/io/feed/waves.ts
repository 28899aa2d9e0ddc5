import type { Logger } from "pino";
import type { WaveView } from "#lib/contracts/api-status.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { CompiledTable, TableView } from "../../core/feed/compiled-table.ts";
import {
  beginWave,
  needsWave,
  planWave,
  type Wave,
  type WaveLimits,
  type WaveSight,
} from "../../core/feed/plan-waves.ts";
import type { PlannedChange } from "./route-compiler.ts";

/** Who refuses a table that has an entry which no receiver would take. */
const SOURCE = "this federator";

export interface WavesOptions {
  readonly table: CompiledTable;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: WaveLimits;
  /** True when the process before wrote frames that look different. */
  readonly isNewFormat: boolean;
  readonly onRefused: (by: string, reason: string) => void;
}

/** Holds back tables that change much until one receiver has proved them. */
export interface Waves {
  /** To be told of each table before it is applied, and after. */
  readonly beforeApply: (change: PlannedChange) => void;
  readonly afterApply: () => void;
  /** Looks again; true when somebody may get something now that was held back. */
  readonly look: (sight: Omit<WaveSight, "nowMs" | "newest">) => boolean;
  readonly isHolding: () => boolean;
  /** Whether the receiver is the one that proves what is held back. */
  readonly isFirst: (receiver: string) => boolean;
  /** The table that the receiver may have. */
  readonly tableFor: (receiver: string) => TableView | undefined;
  /** The newest table that a receiver of this zone turned down, while it is the newest. */
  readonly refusedPosition: () => Position | undefined;
  /** Null while nothing is held back. */
  readonly view: () => WaveView | null;
}

export function startWaves(options: WavesOptions): Waves {
  const { table, clock, log, limits } = options;
  let wave: Wave = { kind: "none" };
  let isNewFormat = options.isNewFormat;
  /** What was changed after the candidate: small, it passes with it. */
  let changedSince = new Set<string>();

  const become = (next: Wave): void => {
    if (next === wave) return;
    const isRefused = next.kind === "refused" && wave.kind !== "refused";
    wave = next;
    if (next.kind === "none") return;
    log[isRefused ? "error" : "info"]({ wave: next }, TOLD[next.kind]);
    if (next.kind === "refused" && isRefused) options.onRefused(next.by, next.reason);
  };
  const begin = (change: PlannedChange): void => {
    table.hold();
    isNewFormat = false;
    changedSince = new Set();
    become(beginWave(change.position, clock.nowMs()));
  };
  const pass = (): void => {
    table.release();
    changedSince = new Set();
    become({ kind: "none" });
  };
  const isFirst = (receiver: string): boolean =>
    wave.kind === "first-receiver" && wave.first === receiver;

  return {
    isHolding: () => wave.kind !== "none",
    isFirst,
    tableFor: (receiver) => (isFirst(receiver) ? table.newest() : table.approved()),
    beforeApply: (change) => {
      const { position, size, keys, faults } = change;
      const [fault] = faults.values();
      if (fault !== undefined && size !== undefined) {
        table.hold();
        const atMs = clock.nowMs();
        become({ kind: "refused", candidate: position, by: SOURCE, reason: fault, atMs });
        return;
      }
      if (wave.kind !== "none") {
        for (const key of keys) changedSince.add(key);
        return;
      }
      const isFirstTable = size === undefined;
      if (isFirstTable ? isNewFormat : needsWave({ ...size, isNewFormat })) begin(change);
    },
    afterApply: () => {
      // What was undone needs no proof.
      const newest = table.newest();
      const approved = table.approved();
      const isSame =
        newest?.digest === approved?.digest &&
        newest?.position.incarnation === approved?.position.incarnation;
      if (wave.kind !== "none" && isSame) pass();
    },
    look: (sight) => {
      if (wave.kind === "none") return false;
      const before = wave;
      for (;;) {
        const newest = table.newest();
        if (newest === undefined) return false;
        const seen = { ...sight, nowMs: clock.nowMs(), newest: newest.position };
        const step = planWave(wave, seen, limits);
        if (step.kind === "pass") {
          const isMuch = needsWave({
            changed: changedSince.size,
            entries: newest.size,
            functionsRemoved: 0,
            functions: 0,
            isNewFormat: false,
          });
          changedSince = new Set();
          if (!isMuch) {
            pass();
            return true;
          }
          become(beginWave(newest.position, clock.nowMs()));
        } else if (step.wave === wave) return wave !== before;
        else {
          if (step.wave.kind === "earlier-zone") changedSince = new Set();
          become(step.wave);
        }
      }
    },
    refusedPosition: () => (wave.kind === "refused" ? wave.candidate : undefined),
    view: () => (wave.kind === "none" ? null : describe(wave)),
  };
}

const TOLD = {
  "earlier-zone": "a table that changes much waits for its turn",
  "first-receiver": "a table that changes much goes to one receiver first",
  refused: "a table was turned down and goes to nobody else",
} as const;

function describe(wave: Exclude<Wave, { readonly kind: "none" }>): WaveView {
  const { revision } = wave.candidate;
  switch (wave.kind) {
    case "earlier-zone":
      return { revision, state: "waiting for an earlier zone" };
    case "first-receiver":
      return {
        revision,
        state: "proving",
        ...(wave.first === null ? {} : { receiver: wave.first }),
      };
    case "refused":
      return { revision, state: "refused", receiver: wave.by, reason: wave.reason };
  }
}
