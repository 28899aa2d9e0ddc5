import type { ServerResponse } from "node:http";
import { invocationHeaders, type RuntimeRefusal } from "../../core/runtime-request.ts";
import type { RuntimeCall } from "./runtime-calls.ts";

/** Answers a poll with a call; one that did not get through goes to `giveBack`. */
export function handOut(
  call: RuntimeCall,
  response: ServerResponse,
  giveBack: (call: RuntimeCall) => void,
): void {
  // What the system took is with the runtime; what it did not take whole, the runtime cannot have begun.
  response.once("close", () => {
    if (!response.writableFinished) giveBack(call);
  });
  response.writeHead(200, {
    ...invocationHeaders(call.name, call.header, call.deadlineEpochMs),
    "content-length": call.event.length,
  });
  response.end(call.event);
}

export const accept = (response: ServerResponse): void =>
  answerJson(response, 202, { status: "OK" });

export function refuse(
  response: ServerResponse,
  { status, errorType, errorMessage }: RuntimeRefusal,
): void {
  answerJson(response, status, { errorMessage, errorType });
}

function answerJson(response: ServerResponse, status: number, document: object): void {
  if (response.headersSent || response.destroyed) return;
  const body = JSON.stringify(document);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}
