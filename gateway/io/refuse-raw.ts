import type { Duplex } from "node:stream";
import { MeridianError } from "#lib/errors.ts";
import { problemAnswer, withReceipt } from "../answers.ts";
import { ALLOWED_METHODS } from "../core/match-route.ts";
import type { RequestIds } from "../core/request-id.ts";
import type { Answer } from "../ports.ts";
import { rawAnswer } from "./raw-answer.ts";

/** Time for the answer to be read: what comes in meanwhile is dropped, as a reset would take the answer with it. */
const LINGER_MS = 1_000;

/** Requests that are none never reach the pipeline; they are answered in its words, and their connection ends. */
export function refuseRaw(socket: Duplex, error: MeridianError, requestIds: RequestIds): void {
  endSlowly(socket, rawAnswer(refusal(error, requestIds)));
}

/** Nothing is left to say on it. */
export function endSlowly(socket: Duplex, lastWords = ""): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(timer));
  socket.once("end", () => socket.destroy());
  socket.resume().end(lastWords);
}

/** CONNECT names no path, so that no part of the pipeline could read it. */
export const refuseConnect = (requestIds: RequestIds): Answer =>
  refusal(
    new MeridianError("MERIDIAN_METHOD_NOT_ALLOWED", "This is not a forward proxy."),
    requestIds,
    { allow: ALLOWED_METHODS },
  );

function refusal(error: MeridianError, requestIds: RequestIds, headers = {}): Answer {
  const requestId = requestIds(undefined);
  return withReceipt(problemAnswer(error, requestId, headers), requestId);
}
