import assert from "node:assert/strict";
import { describe, test } from "node:test";
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

const anyCuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 });

/** The bytes of the frames, cut after so many each. */
function cutUp(frames: readonly Frame[], cuts: readonly number[]): Buffer[] {
  const bytes = Buffer.concat(
    frames.map(({ kind, callId, payload }) => encodeFrame(kind, callId, [payload])),
  );
  const chunks: Buffer[] = [];
  for (let from = 0; from < bytes.length; from += chunks.at(-1)?.length ?? 0)
    chunks.push(bytes.subarray(from, from + (cuts[chunks.length % cuts.length] ?? 1)));
  return chunks;
}

test("frames come out as they went in, wherever the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(anyFrame), anyCuts, (frames, cuts) => {
      const read: Frame[] = [];
      const onChunk = frameReader(BYTES_MAX, (frame) => read.push(frame));
      for (const chunk of cutUp(frames, cuts)) onChunk(chunk);
      assert.deepEqual(read, frames);
    }),
  );
});

describe("frames of the kind that may come in pieces", () => {
  const PART = 2;
  /** Told apart by their call ids. */
  const numbered = (frames: readonly Frame[]): Frame[] =>
    frames.map((frame, callId) => ({ ...frame, callId }));

  test("lose no byte, and the others come whole", () => {
    const partOrNot = fc.record({
      kind: fc.constantFrom(PART, 3),
      callId: fc.constant(0),
      payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    });
    fc.assert(
      fc.property(fc.array(partOrNot).map(numbered), anyCuts, (frames, cuts) => {
        const read: Frame[] = [];
        const take = (frame: Frame): void => {
          const before = read.at(-1);
          if (before?.callId !== frame.callId) return void read.push(frame);
          assert.equal(frame.kind, PART);
          read.splice(-1, 1, {
            ...frame,
            payload: Buffer.concat([before.payload, frame.payload]),
          });
        };
        const onChunk = frameReader(BYTES_MAX, take, PART);
        for (const chunk of cutUp(frames, cuts)) onChunk(chunk);
        assert.deepEqual(read, frames);
      }),
    );
  });

  test("wait for nothing but their heads", () => {
    const payload = Buffer.alloc(200, 1);
    const frames = Array.from({ length: 3 }, (_, callId) => ({ kind: PART, callId, payload }));
    fc.assert(
      fc.property(anyCuts, (cuts) => {
        let handedOn = 0;
        let fed = 0;
        const onChunk = frameReader(BYTES_MAX, (frame) => (handedOn += frame.payload.length), PART);
        for (const chunk of cutUp(frames, cuts)) {
          onChunk(chunk);
          fed += chunk.length;
          const [whole, more] = [Math.floor(fed / 209), fed % 209];
          assert.equal(handedOn, whole * 200 + Math.max(0, more - 9));
        }
      }),
    );
  });
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
