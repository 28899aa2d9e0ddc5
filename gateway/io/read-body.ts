import type { Readable } from "node:stream";
import type { Clock } from "#lib/ports/clock.ts";
import { MeridianError } from "#lib/errors.ts";
import type { BodyCount } from "../core/body-count.ts";
import { type PaceLimits, slackAfter } from "../core/transfer-pace.ts";
import type { BodyRoom, HeldBody } from "../ports.ts";
import { bodyChunks } from "./stream-body.ts";

/** A request's body as its connection has it. */
export interface BodySource {
  readonly stream: Readable;
  /** False where the headers say that there is none. */
  readonly hasBody: boolean;
  /** 0 where the headers do not say. */
  readonly declaredBytes: number;
  readonly bodyCount: BodyCount;
  /** Tells a caller that waits for leave to send that it has it. */
  readonly invite: () => void;
  /** Of bytes that are passed on as they come. */
  readonly count?: ((bytes: number) => void) | undefined;
}

export interface IncomingBody {
  /** The whole body; MERIDIAN_BODY_TOO_LARGE as soon as it is known to be longer than `bytesMax`. */
  readonly read: (bytesMax: number, room?: BodyRoom) => Promise<Uint8Array>;
  /** Leaves the connection open when the reader stops early: the answer still has to go out on it. */
  readonly stream: (mayRest?: () => boolean) => AsyncIterable<Uint8Array>;
  /** The rest will never come: whoever reads is told why. */
  readonly fail: (error: MeridianError) => void;
  readonly hasFailed: () => boolean;
}

const NOTHING = new Uint8Array();

async function* nothing(): AsyncGenerator<Uint8Array> {}

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

  const stream = (mayRest?: () => boolean): AsyncIterable<Uint8Array> => {
    if (!source.hasBody) return nothing();
    const { invite, count, bodyCount } = source;
    const onBytes = (bytes: number): void => {
      bodyCount.requestBytes += bytes;
      count?.(bytes);
    };
    const chunks = bodyChunks(source.stream, {
      limits,
      clock,
      invite,
      mayRest: mayRest ?? (() => false),
      onBytes,
      onLate: late,
      brokeOff,
    });
    tellReader = chunks.fail;
    if (failure !== undefined) chunks.fail(failure);
    return chunks;
  };

  return {
    stream,
    read: (bytesMax, room) => {
      const { hasBody, declaredBytes, invite, bodyCount } = source;
      if (declaredBytes > bytesMax) return Promise.reject(tooLarge(bytesMax));
      if (!hasBody) return Promise.resolve(NOTHING);
      if (failure !== undefined) return Promise.reject(failure);
      if (source.stream.destroyed) return Promise.reject(brokeOff());
      const whole = readWhole(source.stream, bytesMax, { limits, clock, late, room, bodyCount });
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

/** A body that came with its head. */
export const bodyAtHand = (
  bytes: Uint8Array,
  count: (bytes: number) => void,
): Pick<IncomingBody, "read" | "stream"> => ({
  read: (bytesMax) =>
    bytes.length > bytesMax ? Promise.reject(tooLarge(bytesMax)) : Promise.resolve(bytes),
  async *stream() {
    if (bytes.length === 0) return;
    count(bytes.length);
    yield bytes;
  },
});

interface WholeOptions {
  readonly limits: PaceLimits;
  readonly clock: Clock;
  readonly late: () => void;
  readonly room: BodyRoom | undefined;
  readonly bodyCount: BodyCount;
}

/** Most bodies are there with their head: they cost no timer, and no iteration. */
function readWhole(stream: Readable, bytesMax: number, options: WholeOptions) {
  const { limits, clock, late, room, bodyCount } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let slackMs = limits.stallMs;
  let waitingSinceMs = clock.nowMs();
  let timer: NodeJS.Timeout | undefined;
  let held: HeldBody | undefined;
  const wait = (): void => {
    clearTimeout(timer);
    timer = setTimeout(late, Math.max(1, slackMs));
  };
  const arming = setImmediate(() => {
    wait();
    held = room?.enter(() => giveUp(crowdedOut()));
    held?.add(bytes);
  });

  const onData = (chunk: unknown): void => {
    if (!(chunk instanceof Uint8Array)) return;
    const nowMs = clock.nowMs();
    slackMs = slackAfter(slackMs, nowMs - waitingSinceMs, chunk.length, limits);
    waitingSinceMs = nowMs;
    bytes += chunk.length;
    bodyCount.requestBytes += chunk.length;
    if (bytes > bytesMax) return giveUp(tooLarge(bytesMax));
    chunks.push(chunk);
    held?.add(chunk.length);
    if (timer !== undefined) wait();
  };
  const onEnd = (): void => {
    release();
    resolve(chunks.length === 1 ? (chunks[0] ?? NOTHING) : Buffer.concat(chunks));
  };
  const onBroken = (cause?: unknown): void => giveUp(brokeOff(cause));
  const release = (): void => {
    clearImmediate(arming);
    held?.leave();
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

const crowdedOut = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_REQUEST_TIMEOUT",
    "The body was the longest in coming of many, and its place was needed; send it again, faster.",
  );

const tooLarge = (bytesMax: number): MeridianError =>
  new MeridianError(
    "MERIDIAN_BODY_TOO_LARGE",
    `A call's body may have at most ${bytesMax} bytes; a function that is a server (\`"interface": "http"\`) takes any length, or store larger things elsewhere and send where they are.`,
  );
