/** Remembers what was worked out for the newest keys; whoever invents keys, or long ones, costs others a little time and no memory. */
export interface BoundedMemo<Value> {
  readonly get: (key: string, work: () => Value) => Value;
}

const KEY_CHARACTERS_MAX = 256;

export function boundedMemo<Value>(keysMax: number): BoundedMemo<Value> {
  const known = new Map<string, Value>();
  return {
    get: (key, work) => {
      const before = known.get(key);
      if (before !== undefined) return before;
      const value = work();
      if (key.length > KEY_CHARACTERS_MAX) return value;
      const [oldest] = known.size < keysMax ? [] : known.keys();
      if (oldest !== undefined) known.delete(oldest);
      known.set(key, value);
      return value;
    },
  };
}
