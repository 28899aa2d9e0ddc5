export interface Page<T> {
  readonly items: T[];
  /** The `cursor` of the next page; null on the last. */
  readonly next: string | null;
}

/** The page after the cursor, which is the key of the last item before it; items come in the order of their keys. */
export function pageItems<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  limit: number,
  cursor: string | undefined,
): Page<T> {
  const rest = cursor === undefined ? items : items.filter((item) => keyOf(item) > cursor);
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return { items: page, next: rest.length > limit && last !== undefined ? keyOf(last) : null };
}
