import assert from "node:assert/strict";
import { validateHeaderName, validateHeaderValue } from "node:http";
import { test } from "node:test";
import fc from "fast-check";
import { readHttpAnswer, readInvokeAnswer } from "../../../agents/core/read-answer.ts";

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value) ?? "");

const invokeCases: readonly [unknown, string, string][] = [
  ["words", "text/markdown", "words"],
  ["", "text/markdown", ""],
  ['"quoted"', "text/markdown", '"quoted"'],
  [{ a: 1 }, "application/json", '{"a":1}'],
  [[], "application/json", "[]"],
  [5, "application/json", "5"],
  [null, "application/json", "null"],
  [undefined, "application/json", "null"],
];
for (const [result, type, body] of invokeCases)
  test(`:invoke: ${JSON.stringify(result)} is answered as ${type}`, () => {
    const answer = readInvokeAnswer(json(result), "text/markdown");
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.headers, { "content-type": type });
    assert.equal(answer.body.toString("utf8"), body);
  });

const bareCases: readonly unknown[] = ["words", 5, null, undefined, [1], { a: 1 }];
for (const result of bareCases)
  test(`HTTP door: ${JSON.stringify(result)} without a statusCode is JSON`, () => {
    const reading = readHttpAnswer(json(result));
    assert.equal(reading.kind, "answer");
    assert.equal(reading.answer.status, 200);
    assert.deepEqual(reading.answer.headers, { "content-type": "application/json" });
    assert.equal(reading.answer.body.toString("utf8"), JSON.stringify(result ?? null));
  });

const goodCases: readonly [string, object, number, object, string][] = [
  [
    "a body alone is JSON by default",
    { body: "x" },
    200,
    { "content-type": "application/json" },
    "x",
  ],
  [
    "its own type wins",
    { headers: { "Content-Type": "a/b" }, body: "x" },
    200,
    { "content-type": "a/b" },
    "x",
  ],
  ["no body has no type", {}, 200, {}, ""],
  [
    "base64 is decoded",
    { body: "AP8=", isBase64Encoded: true, headers: { "content-type": "a/b" } },
    200,
    { "content-type": "a/b" },
    "\0\ufffd",
  ],
  [
    "an object body is JSON",
    { body: { a: 1 } },
    200,
    { "content-type": "application/json" },
    '{"a":1}',
  ],
  [
    "numbers and truths are texts",
    { headers: { "x-n": 5, "x-t": true } },
    200,
    { "x-n": "5", "x-t": "true" },
    "",
  ],
  ["cookies are set", { cookies: ["a=1", "b=2"] }, 200, { "set-cookie": ["a=1", "b=2"] }, ""],
  [
    "beside the one among the headers",
    { headers: { "Set-Cookie": "c=3" }, cookies: ["a=1"] },
    200,
    { "set-cookie": ["c=3", "a=1"] },
    "",
  ],
  [
    "the platform's words are not the function's",
    {
      headers: {
        "Meridian-Executed": "false",
        "X-Request-Id": "1",
        Connection: "close",
        "Transfer-Encoding": "chunked",
        "Content-Length": "9",
        "x-own": "1",
      },
    },
    200,
    { "x-own": "1" },
    "",
  ],
  ["204 has no body", { statusCode: 204, body: "x" }, 204, {}, ""],
  [
    "nor has 304",
    { statusCode: 304, body: "x", headers: { etag: '"1"' } },
    304,
    { etag: '"1"' },
    "",
  ],
  ["a status may be text", { statusCode: "418" }, 418, {}, ""],
];
for (const [name, result, status, headers, body] of goodCases)
  test(`HTTP door: ${name}`, () => {
    const reading = readHttpAnswer(json({ statusCode: 200, ...result }));
    assert.equal(reading.kind, "answer");
    assert.equal(reading.answer.status, status);
    assert.deepEqual({ ...reading.answer.headers }, headers);
    assert.equal(reading.answer.body.toString("utf8"), body);
  });

const badCases: readonly [object, RegExp][] = [
  [{ statusCode: 99 }, /statusCode/],
  [{ statusCode: 101 }, /statusCode/],
  [{ statusCode: 600 }, /statusCode/],
  [{ statusCode: 200.5 }, /statusCode/],
  [{ statusCode: "ok" }, /statusCode/],
  [{ statusCode: null }, /statusCode/],
  [{ headers: 5 }, /headers is not an object/],
  [{ headers: { "bad name": "x" } }, /name that HTTP does not allow/],
  [{ headers: { "x\r\ny": "x" } }, /name that HTTP does not allow/],
  [{ headers: { x: "a\r\nb: c" } }, /characters HTTP does not allow/],
  [{ headers: { x: "\0" } }, /characters HTTP does not allow/],
  [{ headers: { x: "€" } }, /characters HTTP does not allow/],
  [{ headers: { x: ["a"] } }, /neither text nor a number/],
  [{ headers: { x: "y".repeat(13_000) } }, /more than/],
  [{ cookies: "a=1" }, /cookies is not a list/],
  [{ cookies: [5] }, /a cookie/],
  [{ cookies: ["a\nb"] }, /a cookie/],
  [{ cookies: ["y".repeat(13_000)] }, /more than/],
  // Each is a line, whatever it says: as a frame they would be too long for the link, and end it for every caller.
  [{ cookies: Array(400_000).fill("") }, /more than/],
  [{ body: "x".repeat(6 * 1024 * 1024 + 1) }, /the body has/],
];
for (const [result, reason] of badCases)
  test(`HTTP door: ${JSON.stringify(result).slice(0, 60)} cannot be sent`, () => {
    const reading = readHttpAnswer(json({ statusCode: 200, ...result }));
    assert.equal(reading.kind, "invalid");
    assert.match(reading.reason, reason);
  });

test("whatever a function returns, what is read from it can be sent", () => {
  const anything = fc.record(
    {
      statusCode: fc.oneof(fc.integer({ min: -10, max: 1_000 }), fc.jsonValue()),
      headers: fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue()),
      cookies: fc.oneof(fc.array(fc.string()), fc.jsonValue()),
      body: fc.jsonValue(),
      isBase64Encoded: fc.jsonValue(),
    },
    { requiredKeys: ["statusCode"] },
  );
  fc.assert(
    fc.property(anything, (result) => {
      const reading = readHttpAnswer(json(result));
      if (reading.kind === "invalid") return;
      const { status, headers } = reading.answer;
      assert.ok(Number.isInteger(status) && status >= 200 && status <= 599);
      for (const [name, value] of Object.entries(headers)) {
        validateHeaderName(name);
        for (const one of [value].flat()) validateHeaderValue(name, one);
        assert.doesNotMatch(name, /^meridian-|^connection$|^content-length$|^transfer-encoding$/);
      }
    }),
  );
});
