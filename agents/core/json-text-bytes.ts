/** What JSON writes with two characters: quotes, backslashes, and the five controls that have a letter (RFC 8259, 7). */
const SHORT_ESCAPES = [0x22, 0x5c, 0x08, 0x09, 0x0a, 0x0c, 0x0d];
/** As `\u0001`. */
const LONG_ESCAPE_BYTES = 6;

const extraBytes = new Uint8Array(256);
extraBytes.fill(LONG_ESCAPE_BYTES - 1, 0, 0x20);
for (const byte of SHORT_ESCAPES) extraBytes[byte] = 1;

/**
 * Whether a text is surely longer than `bytesMax` as a JSON string. It is told from its bytes, and no later than the first that is too
 * many: writing it to find out takes long where every character becomes six.
 */
export function isTooLongAsJson(text: Uint8Array, bytesMax: number): boolean {
  if (text.length * LONG_ESCAPE_BYTES + 2 <= bytesMax) return false;
  let spare = bytesMax - text.length - 2;
  for (let index = 0; index < text.length && spare >= 0; index += 1)
    spare -= extraBytes[text[index] ?? 0] ?? 0;
  return spare < 0;
}
