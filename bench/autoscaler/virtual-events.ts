/** What happens when, in virtual time: a binary heap, and first come, first served at the same moment. */
export interface VirtualEvents<T> {
  readonly add: (atMs: number, event: T) => void;
  readonly next: () => { readonly atMs: number; readonly event: T } | undefined;
}

interface Entry<T> {
  readonly atMs: number;
  readonly order: number;
  readonly event: T;
}

export function virtualEvents<T>(): VirtualEvents<T> {
  const heap: Entry<T>[] = [];
  let added = 0;
  const isBefore = (one: Entry<T>, other: Entry<T>): boolean =>
    one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);

  const rise = (entry: Entry<T>): void => {
    let index = heap.length;
    for (;;) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (index === 0 || parent === undefined || !isBefore(entry, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = entry;
  };
  const sink = (entry: Entry<T>): void => {
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      const [left, right] = [heap[below], heap[below + 1]];
      if (left === undefined) break;
      let child = left;
      if (right !== undefined && isBefore(right, left)) [child, below] = [right, below + 1];
      if (!isBefore(child, entry)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = entry;
  };
  return {
    add: (atMs, event) => {
      rise({ atMs, order: added, event });
      added += 1;
    },
    next: () => {
      const first = heap[0];
      const last = heap.pop();
      if (last !== undefined && heap.length > 0) sink(last);
      return first;
    },
  };
}
