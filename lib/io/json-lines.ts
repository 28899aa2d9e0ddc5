/** Longer lines end the stream with an error: a peer that sends them is not one of ours. */
const LINE_BYTES_MAX = 64 * 1024 * 1024;

/** Each line of the stream, parsed as JSON; a last line without its end is dropped, as a broken stream leaves it. */
export async function* readJsonLines(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<unknown, void, undefined> {
  for await (const line of readLines(stream)) if (line !== "") yield JSON.parse(line);
}

/** Each line as it is, without its end; a last line that has none is dropped. */
export async function* readLines(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true });
    if (rest.length > LINE_BYTES_MAX)
      throw new Error(`a line is longer than ${LINE_BYTES_MAX} bytes`);
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
