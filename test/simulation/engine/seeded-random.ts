import type { Random } from "#lib/ports/random.ts";

/** Chance that repeats itself: the same seed and name give the same numbers. */
export interface SeededRandom extends Random {
  /** From `low` up to, not including, `high`. */
  readonly between: (low: number, high: number) => number;
  /** A whole number from 0 up to, not including, `count`. */
  readonly index: (count: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <const T>(choices: readonly [T, ...T[]]) => T;
  /** A stream of its own for one component, so that what one draws never shifts what another gets. */
  readonly fork: (name: string) => SeededRandom;
  /** As many lower-case letters and digits. */
  readonly id: (length: number) => string;
}

const ID_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";

/** The generator is sfc32 (Doty-Humphrey, PractRand), seeded by a hash of the name. */
export function seededRandom(name: string): SeededRandom {
  let [a, b, c] = seedsOf(name);
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 0x1_0000_0000;
  };
  for (let warmUp = 0; warmUp < 12; warmUp += 1) next();
  const index = (count: number): number => Math.floor(next() * count);
  return {
    next,
    index,
    between: (low, high) => low + next() * (high - low),
    chance: (probability) => next() < probability,
    pick: (choices) => choices[index(choices.length)] ?? choices[0],
    fork: (child) => seededRandom(`${name}/${child}`),
    id: (length) => Array.from({ length }, () => ID_ALPHABET[index(ID_ALPHABET.length)]).join(""),
  };
}

/** FNV-1a over the name, from three different starts. */
function seedsOf(name: string): [number, number, number] {
  const hash = (start: number): number => {
    let value = start;
    for (let index = 0; index < name.length; index += 1)
      value = Math.imul(value ^ name.charCodeAt(index), 0x01000193);
    return value;
  };
  return [hash(0x811c9dc5 | 0), hash(0x2545f491), hash(0x6b43a9b5)];
}
