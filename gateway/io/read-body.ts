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
      throw brokeOff(cause);
    } finally {
      clearTimeout(timer);
      tellReader = undefined;
    }
  }

  return {
    stream,
    read: (bytesMax) => {
      const { hasBody, declaredBytes, invite } = source;
      if (declaredBytes > bytesMax) return Promise.reject(tooLarge(bytesMax));
      if (!hasBody) return Promise.resolve(NOTHING);
      if (failure !== undefined) return Promise.reject(failure);
      if (source.stream.destroyed) return Promise.reject(brokeOff());
      const whole = readWhole(source.stream, bytesMax, { limits, clock, late });
      tellReader = whole.giveUp;
      try {
        invite();
      } catch (cause) {
        whole.giveUp(brokeOff(cause));
      }
      return whole.bytes;
    },
    fail,
    hasFailed: () => failure !== undefined,
  };
}

interface WholeOptions {
  readonly limits: PaceLimits;
  readonly clock: Clock;
  readonly late: () => void;
}

/** Most bodies are there with their head: they cost no timer, and no iteration. */
function readWhole(stream: Readable, bytesMax: number, { limits, clock, late }: WholeOptions) {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let slackMs = limits.stallMs;
  let waitingSinceMs = clock.nowMs();
  let timer: NodeJS.Timeout | undefined;
  const wait = (): void => {
    clearTimeout(timer);
    timer = setTimeout(late, Math.max(1, slackMs));
  };
  const arming = setImmediate(wait);

  const onData = (chunk: unknown): void => {
    if (!(chunk instanceof Uint8Array)) return;
    const nowMs = clock.nowMs();
    slackMs = slackAfter(slackMs, nowMs - waitingSinceMs, chunk.length, limits);
    waitingSinceMs = nowMs;
    bytes += chunk.length;
    if (bytes > bytesMax) return giveUp(tooLarge(bytesMax));
    chunks.push(chunk);
    if (timer !== undefined) wait();
  };
  const onEnd = (): void => {
    release();
    resolve(chunks.length === 1 ? (chunks[0] ?? NOTHING) : Buffer.concat(chunks));
  };
  const onBroken = (cause?: unknown): void => giveUp(brokeOff(cause));
  const release = (): void => {
    clearImmediate(arming);
    clearTimeout(timer);
    stream.off("data", onData).off("end", onEnd).off("error", onBroken).off("close", onBroken);
  };
  const giveUp = (error: MeridianError): void => {
    // What comes now is dropped until the answer is sent, and counted from then on.
    release();
    reject(error);
  };
  stream.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onBroken);
  return { bytes: promise, giveUp };
}

const brokeOff = (cause?: unknown): MeridianError =>
  new MeridianError("MERIDIAN_BAD_REQUEST", "The request's body broke off.", { cause });

const tooLarge = (bytesMax: number): MeridianError =>
  new MeridianError(
    "MERIDIAN_BODY_TOO_LARGE",
    `A call's body may have at most ${bytesMax} bytes; store larger things elsewhere and send where they are.`,
  );
