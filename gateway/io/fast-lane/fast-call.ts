import type { PlainRequest } from "../../core/plain-request.ts";
import type { Arrival } from "../../ports.ts";
import type { DoorOptions } from "../door.ts";
import { bodyAtHand } from "../read-body.ts";

/** A request under way in the fast lane. */
export interface FastCall {
  readonly arrival: Arrival;
  /** Its answer was sent whole. */
  readonly end: () => void;
  /** Its caller is gone. */
  readonly leave: () => void;
}

export interface FastRequest {
  readonly request: PlainRequest;
  readonly body: Uint8Array;
  readonly peer: string;
  readonly receivedAtMs: number;
  readonly countStreamed: DoorOptions["countStreamed"];
}

export function fastCall({
  request,
  body,
  peer,
  receivedAtMs,
  countStreamed,
}: FastRequest): FastCall {
  const { promise: finished, resolve: end } = Promise.withResolvers<void>();
  const { read, stream } = bodyAtHand(body, (bytes) => countStreamed?.("in", bytes));
  let isGone = false;
  // Made for those who ask: few calls wait for anything, and a controller for each is not cheap.
  let callerGone: AbortController | undefined;
  return {
    arrival: {
      method: request.method,
      target: request.target,
      headers: request.headers,
      httpVersion: "1.1",
      scheme: "http",
      fault: undefined,
      hasBody: body.length > 0,
      peer,
      receivedAtMs,
      bodyCount: { requestBytes: body.length, answerBytes: 0 },
      readBody: read,
      streamBody: stream,
      get callerGone() {
        callerGone ??= new AbortController();
        if (isGone) callerGone.abort();
        return callerGone.signal;
      },
      finished,
    },
    end,
    leave: () => {
      isGone = true;
      callerGone?.abort();
      end();
    },
  };
}
