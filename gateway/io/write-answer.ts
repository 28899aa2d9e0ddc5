import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { Readable, finished } from "node:stream";
import type { Answer } from "../ports.ts";

/** Sends an answer, streams no faster than the caller reads; one that breaks off takes the connection with it. */
export function writeAnswer(response: ServerResponse, answer: Answer, isLast: boolean): void {
  const { status, body } = answer;
  if (response.destroyed || response.writableEnded) {
    if (body instanceof Readable) body.destroy();
    return;
  }
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(answer.headers))
    headers[name] = typeof value === "string" ? value : [...value];
  if (isLast) headers["connection"] = "close";
  if (body instanceof Readable) {
    response.writeHead(status, headers);
    stream(body, response);
    return;
  }
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  if (status !== 204 && status !== 304) headers["content-length"] ??= bytes.length;
  response.writeHead(status, headers);
  response.end(bytes);
}

function stream(body: Readable, response: ServerResponse): void {
  finished(body, (error) => {
    if (error !== undefined && error !== null) response.destroy();
  });
  finished(response, (error) => {
    if (error !== undefined && error !== null) body.destroy();
  });
  body.pipe(response);
}
