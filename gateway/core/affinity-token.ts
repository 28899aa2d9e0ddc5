import type { Random } from "#lib/ports/random.ts";

/**
 * What a caller shows to be served where it was served before: the zone that it was counted with, and its throw of the dice, which
 * finds the same cluster for as long as the shares of the clusters stay as they are. Both are the caller's own choice anyway, so that
 * nothing has to be signed.
 */
export interface Affinity {
  readonly zone: string;
  /** From 0 to 1, without 1. */
  readonly draw: number;
}

/** Asks for a token, and shows it. */
export const AFFINITY_HEADER = "meridian-affinity";

const TOKEN = /^([a-z0-9-]{1,63})\.([0-9a-f]{8})$/;
const DRAWS = 2 ** 32;

/** Undefined for anything else, which is a wish for a new one. */
export function readAffinity(text: string): Affinity | undefined {
  const [, zone, digits] = TOKEN.exec(text) ?? [];
  if (zone === undefined || digits === undefined) return undefined;
  return { zone, draw: Number.parseInt(digits, 16) / DRAWS };
}

export const writeAffinity = ({ zone, draw }: Affinity): string =>
  `${zone}.${(draw * DRAWS).toString(16).padStart(8, "0")}`;

/** Only as exact as a token can hold. */
export const newDraw = (random: Random): number => Math.floor(random.next() * DRAWS) / DRAWS;
