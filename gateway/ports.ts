import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import type { RouteTable } from "#lib/route-table-state.ts";
import type { BodyCount } from "./core/body-count.ts";
import type { HeaderFault } from "./core/inspect-headers.ts";
import type { AttemptFailure } from "./core/decide-retry.ts";
import type { ClusterSnapshot } from "./core/order-clusters.ts";

export type AnswerHeaders = Readonly<Record<string, string | readonly string[]>>;

/** What goes back to the caller. A stream that breaks off takes the caller's connection with it. */
export interface Answer {
  readonly status: number;
  /** Lower case. */
  readonly headers: AnswerHeaders;
  /** After `101` what the function says in the protocol that the caller asked for. */
  readonly body: Readable | Uint8Array | string;
  /** Of a streamed body, once it has ended. */
  readonly trailers?: ReadTrailers | undefined;
}

/** Lower case; nothing before the body has ended, or where it has none. */
export type ReadTrailers = () => Readonly<Record<string, string>>;

/** A request as it came in at the door. */
export interface Arrival {
  readonly method: string;
  /** As sent, query included. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  /** Its `Authorization` was offered among the protocols of a WebSocket: it is for the gateway alone. */
  readonly hasKeyOfBrowser?: boolean;
  readonly httpVersion: string;
  /** Of the connection it came on. */
  readonly scheme: "http" | "https";
  /** What makes it a request that two readers could understand differently; it is answered, and nothing after it is read. */
  readonly fault: HeaderFault | undefined;
  readonly hasBody: boolean;
  /** The address at the other end of the connection. */
  readonly peer: string;
  readonly receivedAtMs: number;
  /** What has passed until now; final once `finished` has resolved. */
  readonly bodyCount: BodyCount;
  /** Reads the body to its end; MERIDIAN_BODY_TOO_LARGE beyond the limit. One that is long in coming is held in `room`. */
  readonly readBody: (bytesMax: number, room?: BodyRoom) => Promise<Uint8Array>;
  /**
   * The body as it arrives, nothing of it before it is asked for; ending the iteration early leaves the connection alone. A caller
   * must keep its pace, except where `mayRest` says that it may have nothing to say.
   */
  readonly streamBody: (mayRest?: () => boolean) => AsyncIterable<Uint8Array>;
  /** Of the body, once it has ended. */
  readonly trailers?: () => IncomingHttpHeaders;
  /** The protocol that the caller asks to go over to, lower case; after an answer of 101 `streamBody` is what it says in it. */
  readonly upgrade?: string | undefined;
  /** Aborts when the caller goes away before its answer was sent whole. */
  readonly callerGone: AbortSignal;
  /** Resolves when the answer was sent whole or the caller is gone; never rejects. */
  readonly finished: Promise<void>;
}

/** Where bodies that are not whole yet are held, one entry for each. */
export interface BodyRoom {
  /** `giveWay` is called when the room is needed for others. */
  readonly enter: (giveWay: () => void) => HeldBody;
}

export interface HeldBody {
  readonly add: (bytes: number) => void;
  readonly leave: () => void;
}

/** The newest of what the zone's federator has said, served from disk before it was heard. */
export interface Routing {
  readonly table: () => RouteTable | undefined;
  /** Since the federator was last heard. */
  readonly ageMs: () => number;
  /** Since the table is known to have been the catalog's newest; infinite before the first time. */
  readonly confirmedAgeMs: () => number;
  readonly isOverlaid: (clusterId: string) => boolean;
}

/** A body that is sent on as it comes, once. */
export interface StreamedBody {
  /** The protocol that the caller asks to go over to: the body begins when the function has agreed. */
  readonly upgrade: string | undefined;
  /** Begins to take it from the caller. `mayRest`: see `Arrival`. */
  readonly read: (mayRest: () => boolean) => AsyncIterator<Uint8Array>;
  /** From then on no other attempt can send it. */
  readonly isTouched: () => boolean;
  readonly trailers: ReadTrailers;
}

export interface AgentRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | StreamedBody;
  /** On the monotonic clock. */
  readonly deadlineAtMs: number;
  readonly callerGone: AbortSignal;
  /** Whether its function permits a second start where the first cannot be ruled out. */
  readonly isIdempotent: boolean;
}

export interface AgentAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable | Uint8Array;
  readonly trailers?: ReadTrailers | undefined;
}

export interface FailedOutcome {
  readonly kind: "failed";
  readonly failure: AttemptFailure;
  readonly reason: string;
  readonly cause?: unknown;
  /** What the agent said, read whole, if it said anything. */
  readonly answer?: AgentAnswer;
}

export type Outcome =
  | { readonly kind: "answered"; readonly answer: AgentAnswer }
  | FailedOutcome
  | { readonly kind: "out-of-time"; readonly wasSent: boolean }
  /** The caller did not send its body to the end, which the error tells it. */
  | { readonly kind: "body-lost"; readonly error: unknown }
  | { readonly kind: "caller-gone" };

export interface ClusterHealth extends Pick<ClusterSnapshot, "pings" | "isTripped"> {
  /** What its pings took in the last second; undefined where none came back. */
  readonly roundTripMs?: number | undefined;
  /** The shortest of the last few. */
  readonly shortestMs?: (() => number | undefined) | undefined;
}

/** The clusters, as this gateway reaches them. */
export interface Agents {
  readonly health: (clusterId: string) => ClusterHealth;
  /** One attempt; never rejects. */
  readonly send: (clusterId: string, request: AgentRequest) => Promise<Outcome>;
}
