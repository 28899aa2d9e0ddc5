import type { SeededRandom } from "../simulation/engine/seeded-random.ts";
import { corpus } from "./corpus.ts";
import { http2Corpus } from "./http2-frames.ts";

/** Longer inputs test the network, not the gateway. */
const BYTES_MAX = 64 * 1024;
const MUTATIONS_MAX = 4;

const SEEDS = [...corpus.map(({ bytes }) => bytes), ...http2Corpus];
/** Changed in one place these are often still served, and so get further into the gateway. */
const SERVED = corpus.filter(({ statuses }) => statuses.includes(200)).map(({ bytes }) => bytes);

/** What parsers disagree about. */
const TOKENS = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  "\v",
  ":",
  ";",
  ",",
  "\u00ff",
  "%00",
  "%2e%2e/",
  "%2f",
  "//",
  "\\",
  "?",
  "#",
  "0\r\n\r\n",
  "\r\n\r\n",
  "ffffffff\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 0\r\n",
  "Host: a\r\n",
  "Connection: close\r\n",
  "Connection: upgrade\r\nUpgrade: websocket\r\n",
  "Expect: 100-continue\r\n",
  "Trailer: x\r\n",
  "X-Forwarded-For: 1.2.3.4, ::1\r\n",
  "Meridian-Region: us\r\n",
  "Meridian-Timeout-Ms: x\r\n",
  "Idempotency-Key: a\r\n",
  "traceparent: 00-0-0-0\r\n",
  "HTTP/1.1",
  "HTTP/1.0",
  "HEAD ",
  "POST ",
  "OPTIONS ",
  "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
] as const;

type Mutation = (bytes: string, random: SeededRandom) => string;

const cut = (bytes: string, start: number, end: number, put = ""): string =>
  bytes.slice(0, start) + put + bytes.slice(end);

const MUTATIONS: readonly [Mutation, ...Mutation[]] = [
  function changeOneByte(bytes, random) {
    const at = random.index(bytes.length);
    return cut(bytes, at, at + 1, String.fromCharCode(random.index(256)));
  },
  function insertToken(bytes, random) {
    const at = random.index(bytes.length + 1);
    return cut(bytes, at, at, random.pick(TOKENS));
  },
  function insertTokenAtLineStart(bytes, random) {
    const lines = [...bytes.matchAll(/\n/g)].map(({ index }) => index + 1);
    const at = lines[random.index(lines.length)] ?? 0;
    return cut(bytes, at, at, random.pick(TOKENS));
  },
  function leaveOutRange(bytes, random) {
    const at = random.index(bytes.length);
    return cut(bytes, at, at + 1 + random.index(20));
  },
  function repeatRange(bytes, random) {
    const at = random.index(bytes.length);
    const range = bytes.slice(at, at + 1 + random.index(40));
    return cut(bytes, at, at, range.repeat(1 + random.index(8)));
  },
  function endEarly(bytes, random) {
    return bytes.slice(0, 1 + random.index(bytes.length));
  },
  function endInAnother(bytes, random) {
    const other = random.pick(asChoices(SEEDS));
    return bytes.slice(0, random.index(bytes.length)) + other.slice(random.index(other.length));
  },
  function followWithAnother(bytes, random) {
    return bytes + random.pick(asChoices(SEEDS));
  },
  function changeCase(bytes, random) {
    const at = random.index(bytes.length);
    const range = bytes.slice(at, at + 8);
    const changed = random.chance(0.5) ? range.toUpperCase() : range.toLowerCase();
    // Some letters beyond ASCII change their length, and one character is one byte here.
    return changed.length === range.length && !/[^\0-\u00ff]/.test(changed)
      ? cut(bytes, at, at + 8, changed)
      : bytes;
  },
  function changeDigits(bytes, random) {
    const digits = [...bytes.matchAll(/\d+/g)];
    const found = digits[random.index(digits.length)];
    if (found === undefined) return bytes;
    const number = random.pick(["0", "-1", "+1", "00", "1e9", "0x1", "99999999999999999999", "7"]);
    return cut(bytes, found.index, found.index + found[0].length, number);
  },
];

/** The input of that name, always the same: one of the corpus, changed in one to four places. */
export const mutatedInput = (random: SeededRandom): string =>
  mutated(random.pick(asChoices(random.chance(0.6) ? SERVED : SEEDS)), random);

/** Changed in one to four places. */
export function mutated(original: string, random: SeededRandom): string {
  let bytes = original;
  const count = 1 + random.index(MUTATIONS_MAX);
  for (let done = 0; done < count && bytes !== ""; done += 1)
    bytes = random.pick(MUTATIONS)(bytes, random).slice(0, BYTES_MAX);
  return bytes;
}

export function asChoices<T>([first, ...others]: readonly T[]): readonly [T, ...T[]] {
  if (first === undefined) throw new Error("there is nothing to choose from");
  return [first, ...others];
}
