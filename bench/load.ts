import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { answerReader } from "./http-answers.ts";
import type { LoadPlan, LoadResult } from "./load-plan.ts";

/*
 * The load generator, a process of its own so that its work is not counted as the server's: plan on standard input, result
 * on standard output. Raw sockets and prepared bytes, so that it is not what limits the rate.
 */
const plan: LoadPlan = JSON.parse(await text(process.stdin));
const url = new URL(plan.url);
if (url.hostname !== "127.0.0.1") throw new Error("load is made on this machine alone");

const latencies: number[] = [];
let errors = 0;
let firstError: string | null = null;
const startedAtMs = performance.now();
const endAtMs = startedAtMs + plan.seconds * 1_000;

await Promise.all(Array.from({ length: plan.connections }, (_, index) => keepBusy(index)));

latencies.sort((a, b) => a - b);
const result: LoadResult = {
  requests: latencies.length,
  errors,
  firstError,
  elapsedSeconds: (performance.now() - startedAtMs) / 1_000,
  p50Micros: Math.round(latencies[Math.floor(latencies.length * 0.5)] ?? 0),
  p99Micros: Math.round(latencies[Math.floor(latencies.length * 0.99)] ?? 0),
};
process.stdout.write(`${JSON.stringify(result)}\n`);

/** One connection, one request after the other, until the time is up or the connection breaks. */
function keepBusy(index: number): Promise<void> {
  const [before, after] = requestAround(plan);
  const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
  const read = answerReader();
  let sent = 0;
  let sentAtMs = 0;

  const send = (): void => {
    sent += 1;
    sentAtMs = performance.now();
    socket.write(`${before}bench-${index}-${sent}${after}`, "latin1");
  };
  return new Promise((resolve) => {
    const finish = (error?: Error): void => {
      if (error !== undefined) note(error.message);
      socket.destroy();
      resolve();
    };
    socket.once("connect", send);
    socket.once("error", finish);
    socket.once("end", () => finish(new Error("the server closed the connection")));
    socket.setTimeout(10_000, () => finish(new Error("no answer in 10 s")));
    socket.on("data", (chunk: Buffer) => {
      const answer = read(chunk);
      if (answer === undefined) return;
      const nowMs = performance.now();
      if (answer.status === 200) latencies.push((nowMs - sentAtMs) * 1_000);
      else note(`${answer.status} ${answer.body.slice(0, 300)}`);
      if (nowMs < endAtMs) send();
      else finish();
    });
  });
}

function note(error: string): void {
  errors += 1;
  firstError ??= error;
}

/** The bytes before and after the request id. */
function requestAround({ headers, body }: LoadPlan): [string, string] {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return [
    `POST ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n${lines.join("")}x-request-id: `,
    `\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  ];
}
