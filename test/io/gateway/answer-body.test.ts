import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { text } from "node:stream/consumers";
import { LINK_CREDIT_BYTES, LINK_PART_BYTES_MAX } from "#lib/contracts/link-frames.ts";
import { answerBody } from "../../../gateway/io/answer-body.ts";

const PART = Buffer.alloc(LINK_PART_BYTES_MAX);

function opened(beginning = "") {
  const credits: number[] = [];
  let isAbandoned = false;
  const body = answerBody(Buffer.from(beginning), {
    credit: (bytes) => credits.push(bytes),
    abandon: () => (isAbandoned = true),
  });
  return { body, credits, isAbandoned: () => isAbandoned };
}

describe("the body of an answer on a link", () => {
  test("is held up to its credit, and none is given for what nobody reads", () => {
    const { body, credits } = opened();
    for (let bytes = 0; bytes < LINK_CREDIT_BYTES; bytes += PART.length) body.add(PART);
    assert.ok(credits.reduce((sum, bytes) => sum + bytes, 0) <= PART.length);
    assert.throws(() => {
      for (let part = 0; part < 3; part += 1) body.add(PART);
    }, /exceeds its credit/);
  });

  test("is given credit for what was read, small parts together", async () => {
    const { body, credits } = opened();
    const read = text(body.readable);
    for (let event = 0; event < 1_000; event += 1) body.add(Buffer.from("data: 1\n\n"));
    assert.deepEqual(credits, []);
    body.add(PART);
    body.end(Buffer.alloc(0));
    assert.equal((await read).length, 9_000 + PART.length);
    assert.ok(credits.length <= 1);
  });

  test("has the trailers that its end says, but for those that may not be", () => {
    const { body } = opened();
    assert.deepEqual(body.trailers(), {});
    const trailers = { "x-sum": "1", "content-length": "9", "set-cookie": "a=b", "X-Up": "2" };
    body.end(Buffer.from(JSON.stringify({ trailers, later: "word" })));
    assert.deepEqual(body.trailers(), { "x-sum": "1" });
  });

  for (const nonsense of ["{}", "nonsense", '{"trailers":{"a":1}}'])
    test(`does not end with ${nonsense}`, () => {
      assert.throws(() => opened().body.end(Buffer.from(nonsense)), /malformed/);
    });

  test("that breaks off before anybody reads it is told to whoever does", async () => {
    const { body, isAbandoned } = opened("half");
    body.breakOff(new Error("it broke off"));
    await assert.rejects(text(body.readable), /it broke off/);
    assert.equal(isAbandoned(), false);
  });

  test("that its reader wants no more of is abandoned", async () => {
    const { body, isAbandoned } = opened("half");
    body.readable.destroy();
    await once(body.readable, "close");
    assert.ok(isAbandoned());
  });
});
