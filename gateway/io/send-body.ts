import { Readable, type Writable } from "node:stream";
import type { Clock } from "#lib/ports/clock.ts";
import type { BodyCount } from "../core/body-count.ts";
import { type PaceLimits, slackAfter } from "../core/transfer-pace.ts";
import type { Answer } from "../ports.ts";

export interface SendOptions {
  readonly bodyCount: BodyCount;
  readonly limits: PaceLimits;
  readonly clock: Clock;
  /** Ends what the body goes out on so that the caller knows that it is not whole. */
  readonly cut: () => void;
  /** The last word before the end of a streamed body: its trailers. */
  readonly beforeEnd?: (() => void) | undefined;
  /** Of a streamed body. */
  readonly countStreamed?: ((direction: "out", bytes: number) => void) | undefined;
}

/** What is handed over at once: a caller has to take as much within the time it may stand still. */
export const PIECE_BYTES = 64 * 1024;

/** Sends a body no faster than the caller reads; one that breaks off, and a caller that stops reading, cut it. Never rejects. */
export async function sendBody(
  out: Writable,
  body: Answer["body"],
  options: SendOptions,
): Promise<void> {
  if (body instanceof Readable) return sendStream(out, body, options);
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  if (bytes.length > PIECE_BYTES) return sendPieces(out, [bytes], options);
  options.bodyCount.answerBytes += bytes.length;
  // As text it goes out with the head, in one write.
  out.end(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1"), "latin1");
  // Nearly always the system has taken it by now.
  if (out.writableLength > 0) await sendPieces(out, [], options);
}

async function sendStream(out: Writable, body: Readable, options: SendOptions): Promise<void> {
  const stop = (): void => void body.destroy();
  out.once("close", stop);
  if (out.destroyed) stop();
  await sendPieces(out, body, options, options.countStreamed);
  stop();
}

async function sendPieces(
  out: Writable,
  chunks: AsyncIterable<unknown> | Iterable<unknown>,
  { limits, clock, cut, beforeEnd, bodyCount }: SendOptions,
  count?: SendOptions["countStreamed"],
): Promise<void> {
  let slackMs = limits.stallMs;
  const wait = async (event: "drain" | "finish", bytes: number): Promise<void> => {
    const waitingSinceMs = clock.nowMs();
    await within(slackMs, out, event);
    slackMs = slackAfter(slackMs, clock.nowMs() - waitingSinceMs, bytes, limits);
  };
  try {
    for await (const chunk of chunks)
      for (const piece of piecesOf(chunk)) {
        bodyCount.answerBytes += piece.length;
        count?.("out", piece.length);
        if (!out.write(piece)) await wait("drain", piece.length);
      }
    beforeEnd?.();
    if (!out.writableEnded) out.end();
    if (!out.writableFinished) await wait("finish", 0);
  } catch {
    cut();
  }
}

/** Rejects when it takes longer, or `out` is closed before. */
async function within(waitMs: number, out: Writable, event: "drain" | "finish"): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onClose = (): void => reject(new Error("the caller is gone"));
  const timer = setTimeout(reject, Math.max(1, waitMs), new Error("the caller does not read"));
  out.once(event, resolve).once("close", onClose);
  if (out.destroyed) onClose();
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    out.off(event, resolve).off("close", onClose);
  }
}

function* piecesOf(chunk: unknown): Generator<Uint8Array> {
  const bytes = chunk instanceof Uint8Array ? chunk : Buffer.from(String(chunk));
  for (let start = 0; start < bytes.length; start += PIECE_BYTES)
    yield bytes.subarray(start, start + PIECE_BYTES);
}
