import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import type { Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import {
  LINK_CREDIT_BYTES,
  LINK_FEATURES_HEADER,
  LINK_FRAME,
  LINK_FRAME_BYTES_MAX,
  LINK_PATH,
  LINK_PROTOCOL,
} from "#lib/contracts/link-frames.ts";
import { encodeFrame, encodeHeadedFrame, type Frame, frameReader } from "#lib/frames.ts";
import { BOOT_TOKEN, startLinkWorld, type WorldOptions } from "./link-world.ts";

interface RawLink {
  readonly socket: Socket;
  readonly features: unknown;
  readonly next: (kind: number) => Promise<Frame>;
}

/** A gateway's end by hand: whatever is written goes out. */
async function openRaw(t: TestContext, options: WorldOptions): Promise<RawLink> {
  const { server } = await startLinkWorld(t, options);
  const asking = request(new URL(LINK_PATH, server.url), {
    headers: {
      connection: "Upgrade",
      upgrade: LINK_PROTOCOL,
      [INVOCATION_HEADERS.bootToken]: BOOT_TOKEN,
    },
  });
  asking.end();
  const [response, socket] = (await once(asking, "upgrade")) as [
    { headers: Record<string, unknown> },
    Socket,
  ];
  t.after(() => socket.destroy());
  const frames: Frame[] = [];
  let onFrame = (): void => undefined;
  const read = frameReader(LINK_FRAME_BYTES_MAX, (frame) => {
    frames.push({ ...frame, payload: Buffer.from(frame.payload) });
    onFrame();
  });
  socket.on("data", read);
  socket.on("error", () => undefined);
  const next = async (kind: number): Promise<Frame> => {
    for (;;) {
      const found = frames.find((frame) => frame.kind === kind);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => (onFrame = resolve));
    }
  };
  return { socket, features: response.headers[LINK_FEATURES_HEADER], next };
}

const streamedCall = (): Buffer =>
  encodeHeadedFrame(
    LINK_FRAME.call,
    1,
    { headers: { "x-request-id": "r-1" }, startsOn: "go", bodyBytes: 0, isStreamed: true },
    Buffer.alloc(0),
  );

const never: WorldOptions["serve"] = () => new Promise(() => undefined);

test("an agent says that it takes streamed bodies", async (t) => {
  const { features } = await openRaw(t, { serve: never });
  assert.equal(features, "streams");
});

test("credit for a body comes when it is read, and not before", async (t) => {
  const start = Promise.withResolvers<void>();
  const { socket, next } = await openRaw(t, {
    serve: async ({ leave, streamed }) => {
      await leave.ask(false);
      start.resolve();
      streamed?.stream.resume();
      return new Promise(() => undefined);
    },
  });
  socket.write(streamedCall());
  await next(LINK_FRAME.ready);
  socket.write(encodeFrame(LINK_FRAME.go, 1));
  const { payload } = await next(LINK_FRAME.credit);
  await start.promise;
  assert.equal(payload.readUInt32BE(0), LINK_CREDIT_BYTES);
});

const beyond: readonly (readonly [name: string, frames: readonly Buffer[]])[] = [
  ["sends a body without credit", [encodeFrame(LINK_FRAME.part, 1, [Buffer.alloc(1)])]],
  ["ends a body with what is no trailers", [encodeFrame(LINK_FRAME.end, 1, [Buffer.from("{}")])]],
];
for (const [name, frames] of beyond)
  test(`the link of a gateway that ${name} is ended`, async (t) => {
    const { socket } = await openRaw(t, { serve: never });
    const closed = once(socket, "close");
    socket.write(Buffer.concat([streamedCall(), ...frames]));
    await closed;
  });

test("frames of calls that are not there change nothing", async (t) => {
  const { socket, next } = await openRaw(t, {});
  for (const kind of [LINK_FRAME.part, LINK_FRAME.end, LINK_FRAME.broken, LINK_FRAME.cancel])
    socket.write(encodeFrame(kind, 77));
  const head = { headers: { "x-request-id": "r-1" }, startsOn: "slot", bodyBytes: 0 };
  socket.write(encodeHeadedFrame(LINK_FRAME.call, 1, head, Buffer.alloc(0)));
  assert.equal((await next(LINK_FRAME.answer)).callId, 1);
});
