/** Chance, from outside: `next()` is uniform in [0, 1). */
export interface Random {
  readonly next: () => number;
}
