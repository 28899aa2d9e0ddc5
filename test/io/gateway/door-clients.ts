import { once } from "node:events";
import { request as request1 } from "node:http";
import { type ClientHttp2Session, connect as connect2 } from "node:http2";
import { request as requestTls } from "node:https";
import { text } from "node:stream/consumers";

export interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

export type Ask = (asked: Asked) => Promise<Answered>;

const HOST = "meridian.example";

export const askHttp1 =
  (url: string): Ask =>
  async ({ method = "GET", path, headers = {}, body }) => {
    const { protocol, hostname, port } = new URL(url);
    const options = { hostname, port, method, path, agent: false, rejectUnauthorized: false };
    const given = { host: HOST, ...lengthOf(body), ...mutable(headers) };
    const sending = (protocol === "https:" ? requestTls : request1)({ ...options, headers: given });
    sending.end(body);
    const [answer] = await once(sending, "response");
    // A refusal may come before the body was sent.
    sending.on("error", () => undefined);
    return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
  };

/** On one session, which the caller closes. */
export const askHttp2 =
  (session: ClientHttp2Session): Ask =>
  async ({ method = "GET", path, headers = {}, body }) => {
    const stream = session.request(
      {
        ":method": method,
        ":path": path,
        ":authority": HOST,
        ...lengthOf(body),
        ...mutable(headers),
      },
      { endStream: body === undefined },
    );
    if (body !== undefined) stream.end(body);
    const [answer] = await once(stream, "response");
    const { ":status": status, ...others } = answer;
    return { status, headers: others, body: await text(stream) };
  };

export async function openHttp2(url: string): Promise<ClientHttp2Session> {
  const session = connect2(url, { rejectUnauthorized: false });
  session.on("error", () => undefined);
  await once(session, "connect");
  return session;
}

const lengthOf = (body: string | undefined): Record<string, string> =>
  body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };

const mutable = (
  headers: Readonly<Record<string, string | readonly string[]>>,
): Record<string, string | string[]> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      typeof value === "string" ? value : [...value],
    ]),
  );
