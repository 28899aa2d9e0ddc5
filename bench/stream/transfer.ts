import { once } from "node:events";
import { request } from "node:http";
import { text } from "node:stream/consumers";

export interface StreamTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

const PART = Buffer.alloc(64 * 1024, 98);

/** Sends a body of that length and resolves with the seconds it took until the server said that it has all of it. */
export async function sendBytes({ url, headers }: StreamTarget, bytes: number): Promise<number> {
  const startMs = performance.now();
  const sending = request(url, { method: "POST", headers, agent: false });
  const answered = once(sending, "response");
  for (let left = bytes; left > 0; left -= PART.length)
    if (!sending.write(PART.subarray(0, left))) await once(sending, "drain");
  sending.end();
  const [answer] = await answered;
  const said = await text(answer);
  if (said !== String(bytes)) throw new Error(`it answered ${answer.statusCode}: ${said}`);
  return (performance.now() - startMs) / 1_000;
}

/** Asks for a body of that length and resolves with the seconds until its end. */
export async function takeBytes({ url, headers }: StreamTarget, bytes: number): Promise<number> {
  const startMs = performance.now();
  const asking = request(`${url}?bytes=${bytes}`, { headers, agent: false }).end();
  const [answer] = await once(asking, "response");
  let taken = 0;
  answer.on("data", (part: Buffer) => (taken += part.length));
  await once(answer, "end");
  if (taken !== bytes) throw new Error(`it answered ${answer.statusCode} with ${taken} bytes`);
  return (performance.now() - startMs) / 1_000;
}
