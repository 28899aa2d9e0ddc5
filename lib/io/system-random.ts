import type { Random } from "#lib/ports/random.ts";

export const systemRandom: Random = { next: Math.random };
