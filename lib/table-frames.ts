import type { DeltaFrame, FullFrame } from "#lib/contracts/feed.ts";
import type { TextEntry } from "#lib/table-digest.ts";

/** A line of about this size is read without holding up a program for more than a few milliseconds. */
const LINE_CHARACTERS = 128 * 1_024;

export type TableHead =
  | Pick<FullFrame, "kind" | "nonce" | "position" | "digest">
  | Pick<DeltaFrame, "kind" | "nonce" | "from" | "position" | "removed" | "digest">;

/** A table, or a change of one, as lines of the feed: parts, and the frame that completes them. */
export interface TableLines {
  readonly count: number;
  /** With its end; made when it is asked for, so that a large table is never there twice. */
  readonly line: (index: number) => string;
}

export function tableLines(head: TableHead, entries: readonly TextEntry[]): TableLines {
  const starts = [0];
  let characters = 0;
  for (const [index, { key, text }] of entries.entries()) {
    characters += key.length + text.length;
    if (characters < LINE_CHARACTERS) continue;
    starts.push(index + 1);
    characters = 0;
  }
  const written = (index: number): string => {
    const texts = entries
      .slice(starts[index], starts[index + 1])
      .map(({ key, text }) => `{"key":${JSON.stringify(key)},"text":${JSON.stringify(text)}}`);
    return `[${texts.join(",")}]`;
  };
  const member = head.kind === "full" ? "entries" : "upserts";
  return {
    count: starts.length,
    line: (index) =>
      index < starts.length - 1
        ? `{"kind":"part","entries":${written(index)}}\n`
        : `${JSON.stringify(head).slice(0, -1)},"${member}":${written(index)}}\n`,
  };
}
