import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MeridianError } from "#lib/errors.ts";
import { isTooLongAsJson } from "../../../agents/core/json-text-bytes.ts";
import { buildEvent } from "../../../agents/core/build-event.ts";
import type { Call } from "../../../agents/core/read-call.ts";

const arrival = { epochMs: 1_584_043_438_000, text: "12/Mar/2020:20:03:58 +0000" };
const call = (contentType: string, door: Call["door"] = { kind: "invoke" }): Call => ({
  tenant: "demo",
  functionName: "hello",
  version: 3,
  requestId: "r-1",
  trace: undefined,
  deadlineMs: 1_000,
  contentType,
  revision: 7,
  door,
});
const event = (given: Call, body: Buffer | string): unknown =>
  JSON.parse(buildEvent(given, Buffer.from(body), arrival).toString("utf8"));

const binary = Buffer.from([0xff, 0x00, 0x80]);
const base64 = binary.toString("base64");
const invokeCases: readonly [string, string, Buffer | string, unknown][] = [
  ["nothing is null", "", "", null],
  ["nothing is null, whatever its type", "application/json", "", null],
  ["JSON is parsed", "application/json", '{"a":[1,null]}', { a: [1, null] }],
  ["also with a charset", "Application/JSON; charset=utf-8", '"x"', "x"],
  ["also by suffix", "application/cloudevents+json", "[1]", [1]],
  ["text is a string", "text/plain", '{"a":1}', '{"a":1}'],
  ["markdown is a string", "text/markdown; charset=utf-8", "# ü", "# ü"],
  ["the rest is base64", "image/png", binary, { body: base64, isBase64Encoded: true }],
  ["no type is base64", "", "abc", { body: "YWJj", isBase64Encoded: true }],
];
for (const [name, contentType, body, expected] of invokeCases)
  test(`:invoke: ${name}`, () => assert.deepEqual(event(call(contentType), body), expected));

for (const body of ["{", "undefined", "{'a':1}", Buffer.from([0x22, 0xff, 0x22]), "\u{feff}{}"])
  test(`:invoke: ${JSON.stringify(String(body))} is not JSON`, () =>
    assert.throws(
      () => event(call("application/json"), body),
      (error) => error instanceof MeridianError && error.code === "MERIDIAN_BODY_INVALID_JSON",
    ));

test("a deeply nested body is refused or parsed, never the end of the process", () => {
  const body = "[".repeat(100_000);
  assert.throws(() => event(call("application/json"), body), MeridianError);
});

const parts = {
  method: "POST",
  path: "/a%20b/c",
  rawQuery: "x=1&x=2&empty=&plus=a+b&__proto__=p",
  headers: { host: "demo.example:8080", "user-agent": "curl", "content-type": "text/plain" },
  cookies: ["a=1", "b=2"],
  sourceIp: "192.0.2.1",
  domainName: "demo.example",
};
const http = (changes: Partial<typeof parts> = {}): Call =>
  call("text/plain", { kind: "http", request: { ...parts, ...changes } });

test("the HTTP door's event is a function URL's payload 2.0, whole", () => {
  assert.deepEqual(event(http(), "grüße"), {
    version: "2.0",
    routeKey: "$default",
    rawPath: "/a%20b/c",
    rawQueryString: "x=1&x=2&empty=&plus=a+b&__proto__=p",
    cookies: ["a=1", "b=2"],
    headers: parts.headers,
    queryStringParameters: JSON.parse('{"x":"1,2","empty":"","plus":"a b","__proto__":"p"}'),
    requestContext: {
      accountId: "demo",
      apiId: "hello",
      domainName: "demo.example",
      domainPrefix: "demo",
      http: {
        method: "POST",
        path: "/a%20b/c",
        protocol: "HTTP/1.1",
        sourceIp: "192.0.2.1",
        userAgent: "curl",
      },
      requestId: "r-1",
      routeKey: "$default",
      stage: "$default",
      time: arrival.text,
      timeEpoch: arrival.epochMs,
    },
    body: "grüße",
    isBase64Encoded: false,
  });
});

test("the HTTP door leaves out what is not there", () => {
  const seen = event(http({ rawQuery: "", cookies: [] }), "") as Record<string, unknown>;
  for (const name of ["cookies", "queryStringParameters", "body"]) assert.ok(!(name in seen), name);
  assert.equal(seen["isBase64Encoded"], false);
});

const bodyCases: readonly [string, Record<string, string>, Buffer | string, boolean][] = [
  ["JSON stays text", { "content-type": "application/json" }, "{", false],
  ["XML stays text", { "content-type": "application/xml" }, "<a/>", false],
  ["SVG stays text", { "content-type": "image/svg+xml" }, "<a/>", false],
  ["forms are base64", { "content-type": "application/x-www-form-urlencoded" }, "a=1", true],
  ["no type is base64", {}, "abc", true],
  ["text that is none is base64", { "content-type": "text/plain" }, binary, true],
  [
    "packed text is base64",
    { "content-type": "text/plain", "content-encoding": "gzip" },
    "abc",
    true,
  ],
];
for (const [name, headers, body, isBase64Encoded] of bodyCases)
  test(`HTTP door: ${name}`, () => {
    const request = { ...parts, headers };
    const given = call("", { kind: "http", request });
    const seen = event(given, body) as Record<string, unknown>;
    assert.equal(seen["isBase64Encoded"], isBase64Encoded);
    const expected = Buffer.from(body).toString(isBase64Encoded ? "base64" : "utf8");
    assert.equal(seen["body"], expected);
  });

const lengths: readonly (readonly [name: string, text: string])[] = [
  ["plain", "abc"],
  ["quotes", 'say "hi" \\ bye'],
  ["controls", "\u0000\u0001\b\t\n\f\r\u001f\u007f"],
  ["beyond ASCII", "grüße 😀 \u2028"],
];
for (const [name, text] of lengths)
  test(`the length of ${name} text as JSON is told before it is written`, () => {
    const bytes = Buffer.byteLength(JSON.stringify(text));
    assert.equal(isTooLongAsJson(Buffer.from(text), bytes), false);
    assert.equal(isTooLongAsJson(Buffer.from(text), bytes - 1), true);
  });

test("text that is none is not refused for a length that it would not have", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const written = JSON.stringify(Buffer.from(bytes).toString("utf8"));
      assert.equal(isTooLongAsJson(bytes, Buffer.byteLength(written)), false);
    }),
  );
});

test("6 MiB of control characters are refused by their count, through either door", () => {
  const controls = Buffer.alloc(6 * 1024 * 1024, 1);
  const request = { ...parts, headers: { "content-type": "text/plain" } };
  for (const given of [call("text/plain"), call("", { kind: "http", request })])
    assert.throws(() => event(given, controls), { code: "MERIDIAN_BODY_TOO_LARGE" });
});
