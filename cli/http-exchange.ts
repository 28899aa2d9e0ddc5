import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestPlain,
  type RequestOptions,
} from "node:http";
import { request as requestSecure } from "node:https";
import { buffer } from "node:stream/consumers";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface HttpCall extends RequestOptions {
  readonly body?: string | Uint8Array;
  readonly signal: AbortSignal;
}

/** One request and its whole answer; without a limit of its own, for functions may take their time: the signal ends it. */
export function exchange(url: URL, { body, ...options }: HttpCall): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const read = (response: IncomingMessage): void => {
      buffer(response).then(
        (bytes) =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes }),
        reject,
      );
    };
    const request = url.protocol === "https:" ? requestSecure : requestPlain;
    const sent = request(url, options, read);
    sent.once("error", reject);
    sent.end(body);
  });
}
