/** What happened, as a hash over all of it and the last part in words. */
export interface Trace {
  /** One event of the world's time. */
  readonly tick: (atMs: number, order: number) => void;
  /** Something people want to read: who, what. */
  readonly note: (atMs: number, who: string, what: string) => void;
  readonly hash: () => string;
  readonly count: () => number;
  /** The last notes, oldest first. */
  readonly lastNotes: () => readonly string[];
}

const MICROSECONDS_PER_MS = 1_000;

/** `print` hears every note as it is made; without it only the last `notesMax` are kept. */
export function startTrace(notesMax: number, print?: (line: string) => void): Trace {
  const notes: Note[] = [];
  let oldest = 0;
  let count = 0;
  let high = 0x9e3779b9;
  let low = 0x85ebca6b;
  const mix = (value: number): void => {
    high = Math.imul(high ^ value, 0xcc9e2d51);
    high ^= high >>> 15;
    low = Math.imul(low ^ value ^ high, 0x1b873593);
    low ^= low >>> 13;
  };
  const mixText = (text: string): void => {
    for (let index = 0; index < text.length; index += 1) mix(text.charCodeAt(index));
  };
  return {
    tick: (atMs, order) => {
      count += 1;
      mix(Math.floor(atMs * MICROSECONDS_PER_MS));
      mix(order);
    },
    note: (atMs, who, what) => {
      mix(Math.floor(atMs * MICROSECONDS_PER_MS));
      mixText(who);
      mixText(what);
      const note = { atMs, who, what };
      print?.(lineOf(note));
      if (notesMax === 0) return;
      notes[oldest] = note;
      oldest = (oldest + 1) % notesMax;
    },
    hash: () => [high, low].map((part) => (part >>> 0).toString(16).padStart(8, "0")).join(""),
    count: () => count,
    lastNotes: () => [...notes.slice(oldest), ...notes.slice(0, oldest)].map(lineOf),
  };
}

interface Note {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
}

const lineOf = ({ atMs, who, what }: Note): string =>
  `${(atMs / 1_000).toFixed(6).padStart(11)} s  ${who}  ${what}`;
