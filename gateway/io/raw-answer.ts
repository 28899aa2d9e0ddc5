import { STATUS_CODES } from "node:http";
import type { Answer } from "../ports.ts";

/** An answer as bytes, for connections on which Node has no response object to offer; they end with it. */
export function rawAnswer(answer: Answer): string {
  const body = typeof answer.body === "string" ? answer.body : "";
  const headers = Object.entries(answer.headers).map(
    ([name, value]) => `${name}: ${String(value)}`,
  );
  return [
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ""}`,
    ...headers,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
    "",
    body,
  ].join("\r\n");
}
