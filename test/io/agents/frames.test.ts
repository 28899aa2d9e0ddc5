import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FRAME_BYTES_MAX, FRAME_KIND } from "#lib/contracts/instance-frames.ts";
import {
  encodeFrame,
  type Frame,
  frameReader,
  readErrorPayload,
} from "../../../agents/drivers/frames.ts";

const anyFrame = fc
  .tuple(
    fc.constantFrom(...Object.values(FRAME_KIND)),
    fc.nat(0xffff_ffff),
    fc.uint8Array({ maxLength: 300 }),
  )
  .map(([kind, callId, payload]) => ({ kind, callId, payload: Buffer.from(payload) }));

test("frames come out as they went in, wherever the stream is cut", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(anyFrame), cuts, (frames, cuts) => {
      const read: Frame[] = [];
      const onChunk = frameReader(({ payload, ...frame }) =>
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
  for (const length of [FRAME_BYTES_MAX + 1, 4, 0]) {
    const head = Buffer.alloc(9);
    head.writeUInt32BE(length);
    assert.throws(() => frameReader(() => undefined)(head), /a frame says it is/);
  }
});

test("whatever an instance sends as an error becomes one of bounded size", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.jsonValue().map((value) => JSON.stringify(value)),
        fc.string(),
      ),
      (sent) => {
        const error = readErrorPayload(Buffer.from(sent));
        assert.equal(typeof error.errorMessage, "string");
        assert.equal(typeof error.errorType, "string");
      },
    ),
  );
  const long = {
    errorMessage: "m".repeat(1e6),
    errorType: "t".repeat(1e6),
    stackTrace: Array(200).fill("s".repeat(1e4)),
  };
  assert.ok(JSON.stringify(readErrorPayload(Buffer.from(JSON.stringify(long)))).length < 500_000);
});
