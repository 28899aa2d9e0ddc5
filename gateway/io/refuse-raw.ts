import type { Duplex } from "node:stream";
import { type ErrorCode, MeridianError } from "#lib/errors.ts";
import { problemAnswer, withReceipt } from "../answers.ts";
import { ALLOWED_METHODS } from "../core/match-route.ts";
import type { RequestIds } from "../core/request-id.ts";
import type { Answer, AnswerHeaders } from "../ports.ts";
import { rawAnswer } from "./raw-answer.ts";

/** What was answered before there was a request. */
export interface RawRefusal {
  readonly requestId: string;
  readonly status: number;
  readonly errorCode: ErrorCode;
  readonly reason: string;
  readonly peer: string;
}

export interface RawDoor {
  readonly requestIds: RequestIds;
  readonly onRefused?: ((refusal: RawRefusal) => void) | undefined;
}

/** Time for the answer to be read: what comes in meanwhile is dropped, as a reset would take the answer with it. */
const LINGER_MS = 1_000;

/** Requests that are none never reach the pipeline; they are answered in its words, and their connection ends. */
export function refuseRaw(
  socket: Duplex,
  error: MeridianError,
  { requestIds, onRefused }: RawDoor,
  headers: AnswerHeaders = {},
): void {
  const requestId = requestIds(undefined);
  const answer = refusal(error, requestId, headers);
  const { code: errorCode, message: reason } = error;
  const peer = peerOf(socket);
  if (socket.writable) onRefused?.({ requestId, status: answer.status, errorCode, reason, peer });
  endSlowly(socket, rawAnswer(answer));
}

const connectRefused = (): MeridianError =>
  new MeridianError("MERIDIAN_METHOD_NOT_ALLOWED", "This is not a forward proxy.");

/** CONNECT names no path, so that no part of the pipeline could read it. */
export const refuseConnect = (socket: Duplex, door: RawDoor): void =>
  refuseRaw(socket, connectRefused(), door, { allow: ALLOWED_METHODS });

/** The same for a stream of HTTP/2, which has answers of its own. */
export const connectRefusal = (requestIds: RequestIds): Answer =>
  refusal(connectRefused(), requestIds(undefined), { allow: ALLOWED_METHODS });

const refusal = (error: MeridianError, requestId: string, headers: AnswerHeaders): Answer =>
  withReceipt(problemAnswer(error, requestId, headers), requestId);

/** Nothing is left to say on it. */
export function endSlowly(socket: Duplex, lastWords = ""): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  // A caller who resets it meanwhile closes it as well, and nobody else may be listening any more.
  socket.on("error", () => undefined);
  socket.once("close", () => clearTimeout(timer));
  socket.once("end", () => socket.destroy());
  socket.resume().end(lastWords);
}

const peerOf = (socket: Duplex): string =>
  "remoteAddress" in socket && typeof socket.remoteAddress === "string" ? socket.remoteAddress : "";
