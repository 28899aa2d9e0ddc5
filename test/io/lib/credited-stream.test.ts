import assert from "node:assert/strict";
import { once } from "node:events";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import fc from "fast-check";
import { type CreditedStream, creditedStream } from "#lib/io/credited-stream.ts";

const WINDOW_BYTES = 1_000;

function open(initialBytes: number) {
  const told = { creditBytes: 0, isLeft: false };
  const stream = creditedStream({
    windowBytes: WINDOW_BYTES,
    initialBytes,
    giveCredit: (bytes) => (told.creditBytes += bytes),
    onLeft: () => (told.isLeft = true),
  });
  return { told, stream };
}

test("nothing is asked for before somebody reads", () => {
  const { told, stream } = open(0);
  assert.equal(told.creditBytes, 0);
  stream.readable.read();
  assert.equal(told.creditBytes, WINDOW_BYTES);
});

test("a sender who goes beyond the credit is no sender of ours", () => {
  const { stream } = open(0);
  assert.throws(() => stream.push(Buffer.alloc(1)), /credit/);
  const begun = open(10);
  begun.stream.push(Buffer.alloc(10));
  assert.throws(() => begun.stream.push(Buffer.alloc(1)), /credit/);
});

test("who leaves before the end is told of, who leaves after it is not", async () => {
  const early = open(100);
  early.stream.readable.destroy();
  assert.equal(early.told.isLeft, true);
  early.stream.push(Buffer.from("late"));
  early.stream.end();

  const late = open(100);
  late.stream.push(Buffer.from("all"));
  late.stream.end();
  assert.equal(await text(late.stream.readable), "all");
  late.stream.readable.destroy();
  assert.equal(late.told.isLeft, false);
});

test("a body that breaks off fails its reader, and nobody else", async () => {
  const { told, stream } = open(100);
  stream.push(Buffer.from("half"));
  stream.fail(new Error("broken"));
  await assert.rejects(text(stream.readable), /broken/);
  assert.equal(told.isLeft, false);
});

test("what nobody reads yet is kept together, in however small parts it comes", async () => {
  const { stream } = open(WINDOW_BYTES);
  const sent = Buffer.from(Array.from({ length: WINDOW_BYTES }, (_, index) => index % 251));
  for (let at = 0; at < WINDOW_BYTES; at += 1) stream.push(sent.subarray(at, at + 1));
  stream.end();
  const chunks: Buffer[] = [];
  stream.readable.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(stream.readable, "close");
  assert.deepEqual(Buffer.concat(chunks), sent);
  assert.ok(chunks.length < 10, `${chunks.length} chunks`);
});

test("all of a body arrives, and never more of it waits than the window", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 40 }),
      fc.constantFrom(0, WINDOW_BYTES),
      async (parts, initialBytes) => {
        let creditBytes = initialBytes;
        let restBytes = parts.reduce((sum, bytes) => sum + bytes, 0);
        const sent = Buffer.from(Array.from({ length: restBytes }, (_, index) => index % 251));
        let at = 0;
        const sizes = [...parts];
        const stream: CreditedStream = creditedStream({
          windowBytes: WINDOW_BYTES,
          initialBytes,
          giveCredit: (bytes) => {
            creditBytes += bytes;
            setImmediate(send);
          },
          onLeft: () => undefined,
        });
        const send = (): void => {
          while (restBytes > 0 && creditBytes > 0) {
            const bytes = Math.min(sizes.shift() ?? restBytes, creditBytes, restBytes);
            creditBytes -= bytes;
            restBytes -= bytes;
            stream.push(Buffer.from(sent.subarray(at, at + bytes)));
            at += bytes;
            assert.ok(creditBytes + stream.readable.readableLength <= WINDOW_BYTES);
          }
          if (restBytes === 0) stream.end();
        };
        send();
        assert.deepEqual(await buffer(stream.readable), sent);
      },
    ),
  ));
