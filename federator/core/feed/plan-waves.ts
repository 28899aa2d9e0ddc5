import type { Position } from "#lib/contracts/route-table.ts";

/** A change of more than this share of the table's entries, and of more than this many, goes to one gateway first. */
const CHANGED_SHARE_MAX = 0.05;
const CHANGED_MIN = 20;
/** So does a change that removes more than this share of the functions, and more than that many. */
const REMOVED_SHARE_MAX = 0.2;

/** How much a change changes; what is urgent is not counted. */
export interface ChangeSize {
  readonly changed: number;
  readonly entries: number;
  readonly functionsRemoved: number;
  /** Before the change. */
  readonly functions: number;
  /** Whether frames look different from those of the process before. */
  readonly isNewFormat: boolean;
}

export const needsWave = (size: ChangeSize): boolean =>
  size.isNewFormat ||
  (size.changed > CHANGED_MIN && size.changed > size.entries * CHANGED_SHARE_MAX) ||
  (size.functionsRemoved > CHANGED_MIN &&
    size.functionsRemoved > size.functions * REMOVED_SHARE_MAX);

/** How far a table has come that is held back. */
export type Wave =
  | { readonly kind: "none" }
  /** It goes to the zones in turn; an earlier one has it now. */
  | { readonly kind: "earlier-zone"; readonly candidate: Position; readonly sinceMs: number }
  /** One receiver has it, or is to have it. */
  | {
      readonly kind: "first-receiver";
      readonly candidate: Position;
      readonly first: string | null;
      /** Since when it is the one. */
      readonly sinceMs: number;
      readonly acknowledgedAtMs: number | null;
      /** How often a first receiver went away with it. */
      readonly losses: number;
      /** Those that neither took it nor said why. */
      readonly passedOver: readonly string[];
    }
  | {
      readonly kind: "refused";
      readonly candidate: Position;
      readonly by: string;
      readonly reason: string;
      readonly atMs: number;
    };

export interface WaveReceiver {
  readonly receiver: string;
  readonly isGateway: boolean;
  readonly position: Position | null;
  readonly refused: { readonly position: Position | null; readonly reason: string } | null;
}

/** What other zones say of themselves, those that have gateways. */
export interface WaveZone {
  readonly zone: string;
  readonly accepted: Position | undefined;
  readonly refused: Position | undefined;
}

/** What is known at one moment. */
export interface WaveSight {
  readonly nowMs: number;
  readonly zone: string;
  /** Of this zone. */
  readonly receivers: readonly WaveReceiver[];
  /** The other zones that are heard. */
  readonly otherZones: readonly WaveZone[];
  /** The newest table; greater than the candidate when more was compiled meanwhile. */
  readonly newest: Position;
}

export interface WaveLimits {
  /** The first receiver must keep the table, and its connection, for so long. */
  readonly soakMs: number;
  /** A zone that says nothing of the table is waited for so long. */
  readonly zoneSilenceMaxMs: number;
  /** So is a first receiver that neither takes the table nor comes back. */
  readonly receiverSilenceMaxMs: number;
}

/** A second one that goes away with the table went away because of it. */
const LOSSES_MAX = 2;

export const beginWave = (candidate: Position, nowMs: number): Wave => ({
  kind: "earlier-zone",
  candidate,
  sinceMs: nowMs,
});

/** Whom the table may reach now, beyond those who have it: nobody, one receiver, or everybody. */
export type WaveStep = { readonly kind: "wait"; readonly wave: Wave } | { readonly kind: "pass" };

/** The next state; one step at a time, to be asked again whenever anything happens. */
export function planWave(wave: Wave, sight: WaveSight, limits: WaveLimits): WaveStep {
  switch (wave.kind) {
    case "none":
      return { kind: "pass" };
    case "earlier-zone":
      return waitForZone(wave, sight, limits);
    case "first-receiver":
      return waitForReceiver(wave, sight, limits);
    case "refused":
      // What comes after it passes a wave of its own, and not more often than one could pass.
      return isAfter(sight.newest, wave.candidate) && sight.nowMs - wave.atMs >= limits.soakMs
        ? { kind: "wait", wave: beginWave(sight.newest, sight.nowMs) }
        : { kind: "wait", wave };
  }
}

function waitForZone(
  wave: Extract<Wave, { kind: "earlier-zone" }>,
  { otherZones, zone, nowMs }: WaveSight,
  limits: WaveLimits,
): WaveStep {
  const { candidate, sinceMs } = wave;
  const [first] = otherZones.toSorted((one, other) => (one.zone < other.zone ? -1 : 1));
  const isFirst = first === undefined || zone < first.zone;
  const go: WaveStep = {
    kind: "wait",
    wave: {
      kind: "first-receiver",
      candidate,
      first: null,
      sinceMs: nowMs,
      acknowledgedAtMs: null,
      losses: 0,
      passedOver: [],
    },
  };
  if (isFirst || reaches(first.accepted, candidate)) return go;
  if (reaches(first.refused, candidate))
    return refuse(candidate, first.zone, "a gateway of that zone turned it down", nowMs);
  return nowMs - sinceMs >= limits.zoneSilenceMaxMs ? go : { kind: "wait", wave };
}

function waitForReceiver(
  wave: Extract<Wave, { kind: "first-receiver" }>,
  { receivers, nowMs }: WaveSight,
  limits: WaveLimits,
): WaveStep {
  const { candidate, first, sinceMs, acknowledgedAtMs, losses, passedOver } = wave;
  if (first === null) {
    const chosen = chooseFirst(receivers, candidate, passedOver);
    if (chosen === undefined) return { kind: "wait", wave };
    return { kind: "wait", wave: { ...wave, first: chosen.receiver, sinceMs: nowMs } };
  }
  const its = receivers.find(({ receiver }) => receiver === first);
  if (
    its?.refused != null &&
    (its.refused.position === null || reaches(its.refused.position, candidate))
  )
    return refuse(candidate, first, its.refused.reason, nowMs);
  if (its !== undefined && reaches(its.position, candidate)) {
    if (acknowledgedAtMs === null)
      return { kind: "wait", wave: { ...wave, acknowledgedAtMs: nowMs } };
    return nowMs - acknowledgedAtMs >= limits.soakMs ? { kind: "pass" } : { kind: "wait", wave };
  }
  // It had the table and went away, or came back without it: its time begins anew.
  if (acknowledgedAtMs !== null) {
    if (losses + 1 >= LOSSES_MAX)
      return refuse(candidate, first, `it went away with the table ${LOSSES_MAX} times`, nowMs);
    return {
      kind: "wait",
      wave: { ...wave, acknowledgedAtMs: null, sinceMs: nowMs, losses: losses + 1 },
    };
  }
  return nowMs - sinceMs >= limits.receiverSilenceMaxMs
    ? { kind: "wait", wave: { ...wave, first: null, passedOver: [...passedOver, first] } }
    : { kind: "wait", wave };
}

/** One that has it already, else the first gateway by name; an agent where there is no gateway. */
function chooseFirst(
  receivers: readonly WaveReceiver[],
  candidate: Position,
  passedOver: readonly string[],
): WaveReceiver | undefined {
  const rank = (one: WaveReceiver): number =>
    (passedOver.includes(one.receiver) ? 4 : 0) +
    (reaches(one.position, candidate) ? 0 : 2) +
    (one.isGateway ? 0 : 1);
  return receivers.toSorted(
    (one, other) => rank(one) - rank(other) || (one.receiver < other.receiver ? -1 : 1),
  )[0];
}

const refuse = (candidate: Position, by: string, reason: string, atMs: number): WaveStep => ({
  kind: "wait",
  wave: { kind: "refused", candidate, by, reason, atMs },
});

const reaches = (position: Position | null | undefined, candidate: Position): boolean =>
  position != null &&
  position.incarnation === candidate.incarnation &&
  position.revision >= candidate.revision;

const isAfter = (one: Position, other: Position): boolean =>
  one.incarnation !== other.incarnation || one.revision > other.revision;
