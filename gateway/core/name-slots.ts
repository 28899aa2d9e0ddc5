import type { Random } from "#lib/ports/random.ts";

/** Slots of arrays for named things, so that a name costs the same however long it is; the least recently used give way. */
export interface NameSlots {
  readonly find: (first: string, second: string) => number | undefined;
  /** For a name that has none; `forget` is told whose slot it was. */
  readonly take: (
    first: string,
    second: string,
    nowMs: number,
    forget: (slot: number) => void,
  ) => number;
  readonly touch: (slot: number, nowMs: number) => void;
  /** Those that were not used since; looks at a few at a time, or at so many. */
  readonly release: (unusedSinceMs: number, forget: (slot: number) => void, looks?: number) => void;
  readonly size: () => number;
}

/** At once, so that the unused are gone soon and no call waits for it. */
const LOOKED_AT_ONCE = 4;
/** Of so many the least recently used gives way, as Redis does it (https://redis.io/docs/latest/develop/reference/eviction/). */
const SAMPLES = 16;

/** A name is known by 53 bits of a seeded hash: in a full table of 100,000 two share a slot once in two million times. */
export function createNameSlots(max: number, random: Random): NameSlots {
  const seed = Math.floor(random.next() * 2 ** 32);
  const slotOf = new Map<number, number>();
  const hashOf = new Float64Array(max);
  /** Infinite for a slot that is free. */
  const usedAtMs = new Float64Array(max).fill(Number.POSITIVE_INFINITY);
  const freed: number[] = [];
  let next = 0;

  const nextSlot = (): number => {
    const slot = next;
    next = (next + 1) % max;
    return slot;
  };
  const free = (slot: number, forget: (slot: number) => void): void => {
    slotOf.delete(hashOf[slot] ?? 0);
    usedAtMs[slot] = Number.POSITIVE_INFINITY;
    freed.push(slot);
    forget(slot);
  };
  const leastUsed = (): number => {
    let least = nextSlot();
    for (let sample = 1; sample < SAMPLES; sample += 1) {
      const slot = nextSlot();
      if ((usedAtMs[slot] ?? 0) < (usedAtMs[least] ?? 0)) least = slot;
    }
    return least;
  };
  return {
    find: (first, second) =>
      slotOf.size === 0 ? undefined : slotOf.get(hashOfNames(first, second, seed)),
    take: (first, second, nowMs, forget) => {
      if (slotOf.size === max) free(leastUsed(), forget);
      const hash = hashOfNames(first, second, seed);
      const slot = freed.pop() ?? slotOf.size;
      slotOf.set(hash, slot);
      hashOf[slot] = hash;
      usedAtMs[slot] = nowMs;
      return slot;
    },
    touch: (slot, nowMs) => {
      usedAtMs[slot] = nowMs;
    },
    release: (unusedSinceMs, forget, looks = LOOKED_AT_ONCE) => {
      for (let looked = 0; looked < looks && slotOf.size > 0; looked += 1) {
        const slot = nextSlot();
        if ((usedAtMs[slot] ?? 0) < unusedSinceMs) free(slot, forget);
      }
    },
    size: () => slotOf.size,
  };
}

/** cyrb53 (https://github.com/bryc/code/blob/master/jshash/experimental/cyrb53.js), over both names with a separator. */
function hashOfNames(first: string, second: string, seed: number): number {
  let high = 0xdeadbeef ^ seed;
  let low = 0x41c6ce57 ^ seed;
  const mix = (code: number): void => {
    high = Math.imul(high ^ code, 2_654_435_761);
    low = Math.imul(low ^ code, 1_597_334_677);
  };
  for (let index = 0; index < first.length; index += 1) mix(first.charCodeAt(index));
  mix(0);
  for (let index = 0; index < second.length; index += 1) mix(second.charCodeAt(index));
  high =
    Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909);
  low =
    Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909);
  return 4_294_967_296 * (high & 2_097_151) + (low >>> 0);
}
