import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  encodeFrame,
  encodeHeadedFrame,
  type Frame,
  frameReader,
  readHeadedPayload,
} from "#lib/frames.ts";

const BYTES_MAX = 1_000;

const anyFrame = fc
  .tuple(fc.nat(0xff), fc.nat(0xffff_ffff), fc.uint8Array({ maxLength: 300 }))
  .map(([kind, callId, payload]) => ({ kind, callId, payload: Buffer.from(payload) }));

test("frames come out as they went in, wherever the stream is cut", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(anyFrame), cuts, (frames, cuts) => {
      const read: Frame[] = [];
      const onChunk = frameReader(BYTES_MAX, ({ payload, ...frame }) =>
        read.push({ ...frame, payload: Buffer.from(payload) }),
      );
      const bytes = Buffer.concat(
        frames.map(({ kind, callId, payload }) => encodeFrame(kind, callId, [payload])),
      );
      for (let from = 0, cut = 0; from < bytes.length; cut += 1) {
        const length = cuts[cut % cuts.length] ?? 1;
        onChunk(bytes.subarray(from, from + length));
        from += length;
      }
      assert.deepEqual(read, frames);
    }),
  );
});

test("a frame that says it is longer than allowed, or shorter than its head, ends the reading", () => {
  for (const length of [BYTES_MAX + 1, 4, 0]) {
    const head = Buffer.alloc(9);
    head.writeUInt32BE(length);
    assert.throws(() => frameReader(BYTES_MAX, () => undefined)(head), /a frame says it is/);
  }
});

test("a head and a body come out as they went in; what is no head is none, and nothing throws", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.uint8Array({ maxLength: 50 }), (head, body) => {
      const payload = encodeHeadedFrame(1, 1, head, body).subarray(9);
      const read = readHeadedPayload(payload);
      assert.deepEqual(read.head, JSON.parse(JSON.stringify(head)));
      assert.deepEqual(read.body, Buffer.from(body));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      assert.ok(readHeadedPayload(Buffer.from(bytes)).body.length <= bytes.length);
    }),
  );
});
