import { once } from "node:events";
import { existsSync } from "node:fs";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

const { streamifyResponse, HttpResponseStream } = awslambda;
const events = { "content-type": "text/event-stream" };

/** Says one word, and the next when the test has made a file. */
export const waitsForFile = streamifyResponse(async ({ file }, stream) => {
  const answer = HttpResponseStream.from(stream, { statusCode: 200, headers: events });
  answer.write(`data: ${process.pid}\n\n`);
  while (!existsSync(file)) await sleep(5);
  answer.end("data: last\n\n");
});
export const plain = streamifyResponse(async (event, stream) => {
  stream.end("bytes");
});
export const withHead = streamifyResponse(async (event, stream) => {
  const head = {
    statusCode: 404,
    headers: { "Content-Type": "text/plain", "x-own": "yes", "meridian-executed": "false" },
    cookies: ["a=1", "b=2"],
  };
  HttpResponseStream.from(stream, head).end("nothing here");
});
export const badHead = streamifyResponse(async (event, stream) => {
  HttpResponseStream.from(stream, { statusCode: 101 }).end("no");
});
export const noBody = streamifyResponse(async (event, stream) => {
  HttpResponseStream.from(stream, { statusCode: 204 }).end("too much");
});
export const much = streamifyResponse(async ({ bytes }, stream) => {
  const chunk = Buffer.alloc(100_000, 97);
  for (let sent = 0; sent < bytes; sent += chunk.length)
    if (!stream.write(chunk)) await once(stream, "drain");
  stream.end();
});
export const failsFirst = streamifyResponse(async () => {
  throw new RangeError("too early");
});
export const failsLater = streamifyResponse(async (event, stream) => {
  await new Promise((resolve) => stream.write("half", resolve));
  throw new RangeError("too far");
});
export const pipes = streamifyResponse(async (event, stream) => {
  Readable.from(["one ", "two"]).pipe(stream);
});
export const neverEnds = streamifyResponse(async (event, stream, context) => {
  context.signal.addEventListener("abort", () => console.log("nobody is there"));
  stream.write("begun");
});
export const exitsLater = streamifyResponse(async (event, stream) => {
  await new Promise((resolve) => stream.write("half", resolve));
  process.exit(7);
});
