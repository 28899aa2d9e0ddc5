import type { Host } from "./host.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { type Line, type Stream, type StreamEnds, openStream } from "./stream.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** How messages travel one way between two places, now. */
export interface Weather {
  readonly isCut: boolean;
  readonly lossShare: number;
  readonly duplicateShare: number;
  /** Up to so much is added to each message: overtaking comes from it. */
  readonly jitterMs: number;
}

export interface Network {
  /** A message of its own: lost, repeated and overtaken as the weather is. `receive` runs each time it arrives. */
  readonly send: (from: string, to: string, receive: () => void) => void;
  /** A call or its answer, on a connection: late or lost, and never repeated. */
  readonly carry: (from: string, to: string, receive: () => void) => void;
  /** An ordered connection, one way. */
  readonly connect: <T>(from: string, to: string, ends: StreamEnds<T>) => Stream<T>;
  /** One way only: both ways are two calls. The returned function takes the change back, whatever others have changed since. */
  readonly setWeather: (from: string, to: string, change: Partial<Weather>) => () => void;
  readonly isCut: (from: string, to: string) => boolean;
  /** Fine weather everywhere. */
  readonly heal: () => void;
  /** Breaks what a dead process had open: the other ends hear it, where the line lets them. */
  readonly died: (host: Host) => void;
  /** Breaks connections between the two places, as a middlebox does: told to both ends, or to none. */
  readonly breakStreams: (from: string, to: string, how: "reset" | "half-open") => void;
}

const FINE: Weather = { isCut: false, lossShare: 0, duplicateShare: 0, jitterMs: 1 };
/** TCP sends again what was lost, not sooner than this (RFC 6298 allows 1 s, Linux has 200 ms). */
const RESEND_MS = 200;

/** `baseMs`: how long the way takes in fine weather. */
export function startNetwork(
  time: VirtualTime,
  random: SeededRandom,
  baseMs: (from: string, to: string) => number,
): Network {
  const ways = new Map<string, Map<string, Way>>();
  const streams = new Set<OpenStream>();
  const weather = (from: string, to: string): Weather => ways.get(from)?.get(to)?.weather ?? FINE;
  const wayBetween = (from: string, to: string): Way => {
    const known = ways.get(from)?.get(to);
    if (known !== undefined) return known;
    const way: Way = { changes: new Set(), weather: FINE };
    ways.set(from, (ways.get(from) ?? new Map<string, Way>()).set(to, way));
    return way;
  };
  const isCut = (from: string, to: string): boolean => weather(from, to).isCut;

  const carry = (from: string, to: string, receive: () => void): void => {
    const { isCut: isLost, lossShare, jitterMs } = weather(from, to);
    if (isLost || (lossShare > 0 && random.chance(lossShare))) return;
    time.schedule(baseMs(from, to) + random.next() * jitterMs, () => {
      if (!isCut(from, to)) receive();
    });
  };

  return {
    isCut,
    heal: () => ways.clear(),
    setWeather: (from, to, change) => {
      const way = wayBetween(from, to);
      const apply = (): void => {
        way.weather = Object.assign({}, FINE, ...way.changes);
      };
      way.changes.add(change);
      apply();
      return () => {
        way.changes.delete(change);
        apply();
      };
    },
    send: (from, to, receive) => {
      carry(from, to, receive);
      const { duplicateShare } = weather(from, to);
      if (duplicateShare > 0 && random.chance(duplicateShare)) carry(from, to, receive);
    },
    carry,
    connect: (from, to, ends) => {
      const line: Line = {
        time,
        isCut: () => isCut(from, to),
        delayMs: () => {
          const { lossShare, jitterMs } = weather(from, to);
          const isLost = lossShare > 0 && random.chance(lossShare);
          return baseMs(from, to) + random.next() * jitterMs + (isLost ? RESEND_MS : 0);
        },
      };
      const stream = openStream(line, ends, () => streams.delete(open));
      const open: OpenStream = { from, to, ends: [ends.sender, ends.receiver], ...stream };
      streams.add(open);
      return stream;
    },
    died: (host) => {
      for (const stream of streams) if (stream.ends.includes(host)) stream.break("reset");
    },
    breakStreams: (from, to, how) => {
      for (const stream of streams) if (stream.from === from && stream.to === to) stream.break(how);
    },
  };
}

interface Way {
  readonly changes: Set<Partial<Weather>>;
  weather: Weather;
}

interface OpenStream extends Pick<Stream<never>, "break"> {
  readonly from: string;
  readonly to: string;
  readonly ends: readonly Host[];
}
