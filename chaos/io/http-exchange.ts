import { type IncomingMessage, request } from "node:http";
import { buffer } from "node:stream/consumers";

export interface HttpExchange {
  /** An `http:` address; with a socket path its host is only a name. */
  readonly url: string;
  readonly socketPath?: string;
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** The whole exchange, body included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** One request on a connection of its own, and the whole answer, whatever its status. */
export async function exchange(
  call: HttpExchange,
): Promise<{ readonly status: number; readonly text: string }> {
  const limit = AbortSignal.timeout(call.timeoutMs);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(
      call.url,
      {
        method: call.method ?? "GET",
        agent: false,
        headers: { ...call.headers, "content-length": Buffer.byteLength(call.body ?? "") },
        ...(call.socketPath === undefined ? {} : { socketPath: call.socketPath }),
        signal: call.signal === undefined ? limit : AbortSignal.any([limit, call.signal]),
      },
      resolve,
    )
      .once("error", reject)
      .end(call.body);
  });
  const bytes = await buffer(response);
  return { status: response.statusCode ?? 0, text: bytes.toString("utf8") };
}
