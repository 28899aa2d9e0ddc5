import type { ServedAnswer } from "../core/read-answer.ts";
import type { RequestStream } from "../drivers/driver.ts";

/** A call as it came in, whatever connection brought it. */
export interface Exchange {
  /** Lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Once; MERIDIAN_BODY_TOO_LARGE beyond the limit, MERIDIAN_BAD_REQUEST when it breaks off. */
  readonly readBody: () => Promise<Buffer>;
  /** Instead of that, where the body comes as it is read. */
  readonly streamed?: StreamedRequest | undefined;
  /** Aborts when nobody wants the answer any more. */
  readonly callerGone: AbortSignal;
  readonly leave: StartLeave;
}

export interface StreamedRequest extends RequestStream {
  /** The protocol that the caller asks to change to. */
  readonly upgrade: string | undefined;
}

/** Whether a call may start is asked again once a slot is reserved for it: its gateway may have given it to another cluster. */
export interface StartLeave {
  /** The call has no slot yet, and will ask when it has one. */
  readonly waits: () => void;
  /** With a slot in hand; `true` for what starts at once. After `false` it must never start. */
  readonly ask: (hasWaited: boolean) => Promise<boolean> | true;
}

/** Serves one exchange. What it throws was refused before anything of the function ran. */
export type ServeExchange = (exchange: Exchange) => Promise<ServedAnswer>;

/** For a connection on which nobody can say `go`. */
export const startsAtOnce: StartLeave = { waits: () => undefined, ask: () => true };
