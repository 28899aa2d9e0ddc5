import { once } from "node:events";
import type { ServerResponse } from "node:http";

/** A reader that takes nothing for so long is cut off; it watches again. */
const BLOCKED_MAX_MS = 30_000;

export type Follow = (body: unknown, signal: AbortSignal) => AsyncIterable<unknown>;

/** One JSON line for each event, no faster than the reader takes them. Ends with the reader, the events or the signal. */
export async function sendLines(
  response: ServerResponse,
  follow: Follow,
  body: unknown,
  closing: AbortSignal,
): Promise<void> {
  const ending = new AbortController();
  const end = () => ending.abort();
  response.once("close", end);
  closing.addEventListener("abort", end, { once: true });
  if (closing.aborted) end();
  try {
    const events = follow(body, ending.signal);
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    response.flushHeaders();
    for await (const event of events) {
      if (response.write(`${JSON.stringify(event)}\n`) || ending.signal.aborted) continue;
      await drained(response, ending.signal);
    }
    response.end();
  } finally {
    closing.removeEventListener("abort", end);
    response.off("close", end);
  }
}

async function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(BLOCKED_MAX_MS)]);
  await once(response, "drain", { signal: patience }).catch(() => undefined);
  if (patience.aborted) response.destroy();
}
