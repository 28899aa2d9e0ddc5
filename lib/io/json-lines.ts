const LINE_CHARACTERS_MAX = 64 * 1024 * 1024;

/**
 * Each line of the stream, parsed as JSON; a last line without its end is dropped, as a broken stream leaves it. A line that is longer
 * than what is allowed then ends the stream with an error: a peer that sends it is not one of ours.
 */
export async function* readJsonLines(
  stream: AsyncIterable<Uint8Array>,
  charactersMax: () => number = () => LINE_CHARACTERS_MAX,
): AsyncGenerator<unknown, void, undefined> {
  for await (const line of readLines(stream, charactersMax))
    if (line !== "") yield JSON.parse(line);
}

/** Each line as it is, without its end; a last line that has none is dropped. */
export async function* readLines(
  stream: AsyncIterable<Uint8Array>,
  charactersMax: () => number = () => LINE_CHARACTERS_MAX,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true });
    if (rest.length > charactersMax())
      throw new Error(`a line is longer than ${charactersMax()} characters`);
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
