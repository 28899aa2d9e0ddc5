import type { Readable } from "node:stream";
import type { Clock } from "#lib/ports/clock.ts";
import { MeridianError } from "#lib/errors.ts";
import { type PaceLimits, slackAfter } from "../core/transfer-pace.ts";

/** A request's body as its connection has it. */
export interface BodySource {
  readonly stream: Readable;
  /** False where the headers say that there is none. */
  readonly hasBody: boolean;
  /** 0 where the headers do not say. */
  readonly declaredBytes: number;
  /** Tells a caller that waits for leave to send that it has it. */
  readonly invite: () => void;
}

export interface IncomingBody {
  /** The whole body; MERIDIAN_BODY_TOO_LARGE as soon as it is known to be longer than `bytesMax`. */
  readonly read: (bytesMax: number) => Promise<Uint8Array>;
  /** Leaves the connection open when the reader stops early: the answer still has to go out on it. */
  readonly stream: () => AsyncIterable<Uint8Array>;
  /** The rest will never come: whoever reads is told why. */
  readonly fail: (error: MeridianError) => void;
  readonly hasFailed: () => boolean;
}

const NOTHING = new Uint8Array();

export function incomingBody(source: BodySource, limits: PaceLimits, clock: Clock): IncomingBody {
  let failure: MeridianError | undefined;
  let tellReader: ((error: MeridianError) => void) | undefined;
  const fail = (error: MeridianError): void => {
    failure ??= error;
    tellReader?.(failure);
  };
  const late = (): void =>
    fail(
      new MeridianError(
        "MERIDIAN_REQUEST_TIMEOUT",
        `The body did not arrive in time: it may stand still for ${limits.stallMs} ms and has to come with ${limits.bytesPerSecondMin} bytes per second.`,
      ),
    );

  async function* stream(): AsyncGenerator<Uint8Array> {
    if (!source.hasBody) return;
    source.invite();
    const chunks: AsyncIterator<unknown> = source.stream.iterator({ destroyOnReturn: false });
    let slackMs = limits.stallMs;
    try {
      for (;;) {
        const waitingSinceMs = clock.nowMs();
        const { done, value } = await nextWithin(chunks, slackMs);
        if (done === true) return;
        if (!(value instanceof Uint8Array)) continue;
        slackMs = slackAfter(slackMs, clock.nowMs() - waitingSinceMs, value.length, limits);
        yield value;
      }
    } finally {
      // After a failure it would wait for the chunk that never came.
      if (failure === undefined) await chunks.return?.();
    }
  }

  async function nextWithin(
    chunks: AsyncIterator<unknown>,
    waitMs: number,
  ): Promise<IteratorResult<unknown>> {
    const failed = Promise.withResolvers<never>();
    tellReader = failed.reject;
    if (failure !== undefined) failed.reject(failure);
    const timer = setTimeout(late, Math.max(1, waitMs));
    try {
      return await Promise.race([chunks.next(), failed.promise]);
    } catch (cause) {
      if (cause instanceof MeridianError) throw cause;
      throw new MeridianError("MERIDIAN_BAD_REQUEST", "The request's body broke off.", { cause });
    } finally {
      clearTimeout(timer);
      tellReader = undefined;
    }
  }

  return {
    stream,
    read: (bytesMax) => readWhole(source, stream, bytesMax),
    fail,
    hasFailed: () => failure !== undefined,
  };
}

async function readWhole(
  { hasBody, declaredBytes }: BodySource,
  stream: () => AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array> {
  if (declaredBytes > bytesMax) throw tooLarge(bytesMax);
  if (!hasBody) return NOTHING;

  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream()) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] ?? NOTHING) : Buffer.concat(chunks);
}

const tooLarge = (bytesMax: number): MeridianError =>
  new MeridianError(
    "MERIDIAN_BODY_TOO_LARGE",
    `A call's body may have at most ${bytesMax} bytes; store larger things elsewhere and send where they are.`,
  );
