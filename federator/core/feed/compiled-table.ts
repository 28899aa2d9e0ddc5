import { isUrgentKey, type Position } from "#lib/contracts/route-table.ts";
import { addHash, digestText, entryHash, subtractHash, type TextEntry } from "#lib/table-digest.ts";

/** Texts of entries by key; undefined for those that go. */
export type TextChanges = ReadonlyMap<string, string | undefined>;

/** A table at one position, to be read before the next change alone. */
export interface TableView {
  readonly position: Position;
  readonly digest: string;
  readonly size: number;
  readonly textOf: (key: string) => string | undefined;
  /** A copy that later changes leave alone. */
  readonly entries: () => TextEntry[];
  /** Clusters and the plan. */
  readonly urgentEntries: () => TextEntry[];
}

/**
 * The zone's table as texts, changed in place: 200,000 functions are there once. While the newest is held back, the one before it
 * can still be read: the texts that were replaced since are kept beside it.
 */
export interface CompiledTable {
  readonly apply: (position: Position, changes: TextChanges) => void;
  readonly newest: () => TableView | undefined;
  /** The newest one that anybody may have: while something is held back, the one before it. */
  readonly approved: () => TableView | undefined;
  /** Entries that differ, or differed for a while, between the newest and the approved one. */
  readonly replacedKeys: () => Iterable<string>;
  /** From here on what is applied is held back. */
  readonly hold: () => void;
  readonly release: () => void;
}

interface Version {
  readonly position: Position;
  readonly sum: bigint;
  readonly size: number;
}

interface Held {
  /** Undefined: there was none before what is held back. */
  readonly version: Version | undefined;
  readonly replaced: Map<string, string | undefined>;
}

export function compiledTable(): CompiledTable {
  const texts = new Map<string, string>();
  /** Of all that there ever were: as many as there are clusters. */
  const urgentKeys = new Set<string>();
  let newest: Version | undefined;
  let held: Held | undefined;

  const viewNewest = (): TableView | undefined =>
    newest && {
      ...describe(newest, urgentKeys, (key) => texts.get(key)),
      entries: () => Array.from(texts, ([key, text]) => ({ key, text })),
    };
  const viewHeld = (): TableView | undefined => {
    if (held === undefined) return viewNewest();
    const { version, replaced } = held;
    if (version === undefined) return undefined;
    const textOf = (key: string): string | undefined =>
      replaced.has(key) ? replaced.get(key) : texts.get(key);
    return {
      ...describe(version, urgentKeys, textOf),
      entries: () =>
        [...new Set([...texts.keys(), ...replaced.keys()])].flatMap((key) => entryOf(key, textOf)),
    };
  };

  return {
    apply: (position, changes) => {
      let sum = newest?.sum ?? 0n;
      for (const [key, text] of changes) {
        const before = texts.get(key);
        if (before === text) continue;
        if (held?.version !== undefined && !held.replaced.has(key)) held.replaced.set(key, before);
        if (isUrgentKey(key)) urgentKeys.add(key);
        if (before !== undefined) sum = subtractHash(sum, entryHash(key, before));
        if (text === undefined) texts.delete(key);
        else {
          sum = addHash(sum, entryHash(key, text));
          texts.set(key, text);
        }
      }
      newest = { position, sum, size: texts.size };
    },
    newest: viewNewest,
    approved: viewHeld,
    replacedKeys: () => held?.replaced.keys() ?? [],
    hold: () => {
      held ??= { version: newest, replaced: new Map() };
    },
    release: () => {
      held = undefined;
    },
  };
}

const describe = (
  { position, sum, size }: Version,
  urgentKeys: ReadonlySet<string>,
  textOf: TableView["textOf"],
) => ({
  position,
  digest: digestText(sum),
  size,
  textOf,
  urgentEntries: () => [...urgentKeys].toSorted().flatMap((key) => entryOf(key, textOf)),
});

function entryOf(key: string, textOf: TableView["textOf"]): TextEntry[] {
  const text = textOf(key);
  return text === undefined ? [] : [{ key, text }];
}
