/** Types and flags of frames (RFC 9113, 6). */
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const CONTINUATION = 9;
const END_STREAM = 1;
const END_HEADERS = 4;

/** `GET http://a/` in the static table of HPACK (RFC 7541, appendix A), the authority spelt out. */
const GET_FIELDS = "\x82\x84\x86\x41\x01a";

/** One character a byte (RFC 9113, 4.1). */
function frame(type: number, flags: number, stream: number, payload = ""): string {
  const head = [
    payload.length >> 16,
    payload.length >> 8,
    payload.length,
    type,
    flags,
    stream >> 24,
    stream >> 16,
    stream >> 8,
    stream,
  ];
  return `${String.fromCharCode(...head.map((byte) => byte & 0xff))}${payload}`;
}

/** The nth stream that a client opens. */
const streamId = (index: number): number => 2 * index + 1;

/** How a client begins. */
export const OPENING = `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${frame(SETTINGS, 0, 0)}`;

const times = (count: number, one: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => one(index)).join("");

/** Frames that ask for no work, so many of each. */
export const FLOODS: Readonly<Record<string, (count: number) => string>> = {
  "streams that are opened and reset at once": (count) =>
    times(
      count,
      (index) =>
        frame(HEADERS, END_HEADERS | END_STREAM, streamId(index), GET_FIELDS) +
        frame(RST_STREAM, 0, streamId(index), "\0\0\0\x08"),
    ),
  pings: (count) => times(count, () => frame(PING, 0, 0, "12345678")),
  "acknowledged settings": (count) => times(count, () => frame(SETTINGS, 0, 0)),
  "frames without content": (count) =>
    `${frame(HEADERS, END_HEADERS, 1, GET_FIELDS)}${times(count, () => frame(DATA, 0, 1))}`,
  "headers that never end": (count) =>
    `${frame(HEADERS, 0, 1, GET_FIELDS)}${times(count, () => frame(CONTINUATION, 0, 1, "\x00\x01a\x01b".repeat(20)))}`,
  "streams that break the rules": (count) =>
    times(count, (index) => frame(HEADERS, END_HEADERS | END_STREAM, streamId(index), "\x82\x84")),
  "more streams than are allowed at once": (count) =>
    times(count, (index) => frame(HEADERS, END_HEADERS, streamId(index), GET_FIELDS)),
};

/** A caller who waits for leave to send its body (`expect: 100-continue`), and is gone before it is given. */
export const UNWANTED_LEAVE = `${OPENING}${frame(HEADERS, END_HEADERS, 1, "\x83\x86\x04\x0e/fn/demo/open/\x41\x01a\x00\x06expect\x0c100-continue")}${frame(RST_STREAM, 0, 1, "\0\0\0\x08")}`;

/** Whole connections, to be mutated. */
export const http2Corpus: readonly string[] = Object.values(FLOODS).map(
  (flood) => `${OPENING}${flood(4)}`,
);
