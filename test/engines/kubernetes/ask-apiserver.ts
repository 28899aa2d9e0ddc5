import { request } from "node:https";
import { text } from "node:stream/consumers";
import type { AdminAccess } from "./make-certificates.ts";

const ANSWER_TIMEOUT_MS = 5_000;

export interface ApiserverAnswer {
  readonly status: number;
  readonly body: string;
}

/** One request as admin; what is sent is JSON. */
export function askApiserver(
  { endpoint, authority, token }: AdminAccess,
  path: string,
  send?: { readonly method: string; readonly body: object },
): Promise<ApiserverAnswer> {
  return new Promise((resolve, reject) => {
    const exchange = request(new URL(path, endpoint), {
      ca: authority,
      method: send?.method ?? "GET",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      agent: false,
    });
    exchange.on("error", reject);
    exchange.on("response", (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    exchange.end(send === undefined ? undefined : JSON.stringify(send.body));
  });
}

export const isApiserverReady = async (access: AdminAccess): Promise<boolean> =>
  (await askApiserver(access, "/readyz")).status === 200;
