import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { Readable } from "node:stream";
import { pino } from "pino";
import { systemClock } from "#lib/io/system-clock.ts";
import { createTraceIds } from "../../../gateway/core/trace-ids.ts";
import { httpListener } from "../../../gateway/io/http-listener.ts";
import { http2Door } from "../../../gateway/io/http2-door.ts";
import { pipeline } from "../../../gateway/pipeline.ts";
import type { Answer, Arrival } from "../../../gateway/ports.ts";
import { account, type RequestRecord } from "../../../gateway/stages/account.ts";
import { identify } from "../../../gateway/stages/identify.ts";
import { eventually } from "./run-gateway.ts";

const LIMITS = {
  headersTimeoutMs: 60_000,
  idleTimeoutMs: 60_000,
  stallMs: 60_000,
  bytesPerSecondMin: 1,
};
const BODY_BYTES_MAX = 1024 * 1024;
const LONG_BYTES = 200_000;

/** What the pipeline wrote down, by request id. */
const records = new Map<string, RequestRecord>();
let answerWith: (arrival: Arrival) => Promise<Answer>;
let port: number;
let close: () => void;

before(async () => {
  const record = (ended: RequestRecord): void => void records.set(ended.requestId, ended);
  const handler = pipeline(
    identify(
      {
        requestIds: (given) => given ?? "",
        traceIds: createTraceIds(() => "0123456789abcdef".repeat(8)),
      },
      1,
    ),
  )
    .through(account({ record, unforeseen: () => undefined }, systemClock))
    .to(({ arrival }) => answerWith(arrival));
  const options = {
    handler,
    requestIds: () => "refused",
    clock: systemClock,
    log: pino({ level: "silent" }),
    limits: LIMITS,
    isDraining: () => false,
    fastLane: "off" as const,
  };
  const { server } = httpListener(options, http2Door(options));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ({ port } = server.address() as AddressInfo);
  close = () => void server.close();
});
after(() => close());

const requestOf = (line: string, id: string, ...headers: readonly string[]): string =>
  [`${line} HTTP/1.1`, "Host: meridian.example", `X-Request-Id: ${id}`, ...headers, "", ""].join(
    "\r\n",
  );

/** Says this on a connection of its own. */
function say(text: string): Socket {
  const socket = connect(port, "127.0.0.1").on("error", () => undefined);
  socket.resume().write(text);
  return socket;
}

/** What was written down of the request, once it was. */
async function countOf(id: string) {
  await eventually(() => records.has(id));
  return records.get(id)?.bodyCount;
}

const whole = (body: string): Answer => ({ status: 200, headers: {}, body });

async function readAll(arrival: Arrival): Promise<number> {
  let bytes = 0;
  for await (const chunk of arrival.streamBody()) bytes += chunk.length;
  return bytes;
}

async function* endless() {
  yield "first";
  await new Promise(() => undefined);
}

async function* broken() {
  yield "first";
  throw new Error("its function failed");
}

describe(
  "what is written down of a request has the bytes of its bodies",
  { timeout: 60_000 },
  () => {
    test("that were read and sent whole", async () => {
      answerWith = async (arrival) => {
        const body = await arrival.readBody(BODY_BYTES_MAX);
        return whole("y".repeat(body.length + 1));
      };
      say(`${requestOf("POST /", "whole", "Content-Length: 4")}body`).end();
      assert.deepEqual(await countOf("whole"), { requestBytes: 4, answerBytes: 5 });
      say(requestOf("HEAD /", "head")).end();
      assert.deepEqual(await countOf("head"), { requestBytes: 0, answerBytes: 0 });
    });

    test("that were streamed, as their lengths are and not as chunks are written", async () => {
      answerWith = async (arrival) => {
        const bytes = await readAll(arrival);
        const chunks = ["a".repeat(LONG_BYTES), "b".repeat(bytes)];
        return { ...whole(""), body: Readable.from(chunks) };
      };
      say(
        `${requestOf("POST /", "chunks", "Transfer-Encoding: chunked")}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`,
      );
      const expected = { requestBytes: 5, answerBytes: LONG_BYTES + 5 };
      assert.deepEqual(await countOf("chunks"), expected);

      const session = connectHttp2(`http://127.0.0.1:${port}`);
      const stream = session.request({ ":method": "POST", "x-request-id": "http2" });
      stream.resume().end("abcde");
      assert.deepEqual(await countOf("http2"), expected);
      session.close();
    });

    test("as far as they came, where the caller leaves under its upload or its answer", async () => {
      const read = Promise.withResolvers<void>();
      answerWith = async (arrival) => {
        for await (const chunk of arrival.streamBody()) if (chunk.length > 0) read.resolve();
        return whole("never");
      };
      const uploading = say(`${requestOf("POST /", "upload", "Content-Length: 100")}1234567`);
      await read.promise;
      uploading.destroy();
      assert.deepEqual((await countOf("upload"))?.requestBytes, 7);

      answerWith = async () => ({ ...whole(""), body: Readable.from(endless()) });
      const reading = say(requestOf("GET /", "download"));
      reading.once("data", () => reading.destroy());
      assert.deepEqual(await countOf("download"), { requestBytes: 0, answerBytes: 5 });
      assert.equal(records.get("download")?.outcome, "caller-gone");
    });

    test("as far as it came, where the answer breaks off", async () => {
      answerWith = async () => ({ ...whole(""), body: Readable.from(broken()) });
      say(requestOf("GET /", "broken"));
      assert.deepEqual(await countOf("broken"), { requestBytes: 0, answerBytes: 5 });
    });

    test("both ways of a WebSocket, whoever ends it and however", async () => {
      answerWith = async (arrival) => {
        const body = Readable.from(arrival.streamBody());
        return { status: 101, headers: {}, body };
      };
      const upgrade = (id: string): string =>
        requestOf(
          "GET /",
          id,
          "Connection: Upgrade",
          "Upgrade: websocket",
          "Sec-WebSocket-Version: 13",
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        );
      for (const [id, leave] of [
        ["ended", (socket: Socket) => void socket.end()],
        ["cut", (socket: Socket) => void socket.resetAndDestroy()],
      ] as const) {
        const caller = say(upgrade(id));
        let text = "";
        caller.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
        await eventually(() => text.includes("101 Switching"));
        caller.write("echo this");
        await eventually(() => text.endsWith("echo this"));
        leave(caller);
        assert.deepEqual(await countOf(id), { requestBytes: 9, answerBytes: 9 });
      }
    });
  },
);
