import { seededRandom, type SeededRandom } from "../simulation/engine/seeded-random.ts";
import { asChoices, mutated, mutatedInput } from "./mutate.ts";

/** What a connection sends, and when. */
export interface LaneCase {
  readonly pieces: readonly Piece[];
}

interface Piece {
  /** One character a byte. */
  readonly bytes: string;
  /** Since the piece before; 0: at once. */
  readonly afterMs: number;
}

/** What the stand-in makes of a request, by the first word of its path. */
const ANSWER_KINDS = [
  "echo",
  "late",
  "unread",
  "large",
  "stream",
  "measured",
  "empty",
  "unchanged",
  "many",
  "refused",
] as const;

const REQUESTS_MAX = 4;
const PIECES_MAX = 5;
/** Some are longer than a request may take to be whole before Node has to wait for it. */
const GAPS_MS = [0, 0, 1, 1, 3, 110] as const;
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE"] as const;
const HEADERS = [
  "Accept: */*",
  "accept-encoding: gzip, deflate",
  "Authorization: Bearer mk_demo_key",
  "Connection: keep-alive",
  "Content-Type: application/json",
  "content-type: text/plain; charset=utf-8",
  "Cookie: a=b; c=d",
  "Idempotency-Key: 4711",
  "Meridian-Region: eu",
  "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "User-Agent: a caller/1.0 (of this test)",
  "X-Empty:",
  "X-Forwarded-For: 1.2.3.4, ::1",
  "X-Plain: a b  c",
  "X-Tight:value",
] as const;
/** What takes a connection out of the fast lane. */
const OTHER_HEADERS = [
  "Connection: close",
  "Connection: x-empty",
  "Expect: 100-continue",
  "Host: another",
  "Keep-Alive: 5",
  "TE: trailers",
  "Transfer-Encoding: chunked",
  "Upgrade: h2c",
  "X-Long: " + "a".repeat(9_000),
  "X-Odd: caf\u00e9",
  "X-Space:  two",
  "X-Tab: a\tb",
  "X-Trailing: a ",
  "Cookie: twice",
  "__proto__: a",
  "constructor: b",
  "x-under_score: c",
] as const;

/** The case of that number, always the same. */
export function laneCase(seed: number, number: number): LaneCase {
  const random = seededRandom(`lanes/${seed}/${number}`);
  const ofCorpus = mutatedInput(random);
  // HTTP/2 never comes as far as to either lane.
  const isOfHttp2 = ofCorpus.startsWith("PRI");
  const bytes = random.chance(0.35) && !isOfHttp2 ? ofCorpus : plainOnes(random);
  return { pieces: split(random.chance(0.05) ? cutOff(bytes, random) : bytes, random) };
}

/** Requests that are plain, or nearly. */
function plainOnes(random: SeededRandom): string {
  const count = 1 + random.index(REQUESTS_MAX);
  const bytes = Array.from({ length: count }, () => plainRequest(random)).join("");
  return random.chance(0.3) ? mutated(bytes, random) : bytes;
}

function plainRequest(random: SeededRandom): string {
  const method = random.pick(random.chance(0.95) ? ["GET", "POST", "PUT"] : METHODS);
  const query = random.pick(["", "", "?", "?a=b&c=%20", "?q=/../"]);
  const path = random.pick(["", "", "/", "/a%2Fb", "/a.b", "//", "/..", "/~x;y=(1)"]);
  const body = random.chance(0.6) ? bodyOf(random) : "";
  const headers: string[] = HEADERS.filter(() => random.chance(0.25));
  if (random.chance(0.08)) headers.push(random.pick(OTHER_HEADERS));
  if (body !== "" || random.chance(0.2)) headers.push(`Content-Length: ${body.length}`);
  const line = `${method} /${random.pick(ANSWER_KINDS)}${path}${query} HTTP/1.1`;
  return `${[line, "Host: meridian.example", ...headers].join("\r\n")}\r\n\r\n${body}`;
}

const bodyOf = (random: SeededRandom): string =>
  random.chance(0.02)
    ? "x".repeat(20_000 + random.index(30_000))
    : random.pick(["{}", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\u0000\u00ff", random.id(100)]);

const cutOff = (bytes: string, random: SeededRandom): string =>
  bytes.slice(0, 1 + random.index(bytes.length));

function split(bytes: string, random: SeededRandom): Piece[] {
  const count = random.chance(0.5) ? 1 : 1 + random.index(PIECES_MAX);
  const cuts = Array.from({ length: count - 1 }, () => random.index(bytes.length + 1));
  const ends = [...cuts.toSorted((one, other) => one - other), bytes.length];
  return asChoices(ends).map((end, index) => ({
    bytes: bytes.slice(ends[index - 1] ?? 0, end),
    afterMs: index === 0 ? 0 : random.pick(GAPS_MS),
  }));
}
