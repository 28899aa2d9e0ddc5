import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MeridianError } from "#lib/errors.ts";
import { readCall } from "../../../agents/core/read-call.ts";

const parts = {
  method: "GET",
  path: "/",
  rawQuery: "",
  headers: { host: "a" },
  cookies: [],
  sourceIp: "192.0.2.1",
  domainName: "a",
};
const good = {
  "meridian-tenant": "demo",
  "meridian-function": "hello",
  "meridian-function-version": "3",
  "x-request-id": "r-1",
  "meridian-deadline-ms": "2500",
  "meridian-door": "invoke",
  "content-type": "text/plain",
};
const packed = (value: unknown) => encodeURIComponent(JSON.stringify(value));

test("a call is read from the gateway's headers", () => {
  assert.deepEqual(readCall({ ...good, "meridian-table-revision": "12" }), {
    tenant: "demo",
    functionName: "hello",
    version: 3,
    requestId: "r-1",
    deadlineMs: 2_500,
    contentType: "text/plain",
    revision: 12,
    trace: undefined,
    door: { kind: "invoke" },
  });
  const http = { ...good, "meridian-door": "http", "meridian-http-request": packed(parts) };
  assert.deepEqual(readCall(http).door, { kind: "http", request: parts });
  assert.equal(readCall(good).revision, undefined);
});

test("the trace of a call is read where it is well-formed, and is no reason to refuse the call where not", () => {
  const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  const read = (headers: Record<string, string>) => readCall({ ...good, ...headers }).trace;
  assert.deepEqual(read({ traceparent, tracestate: "a=1" }), { traceparent, tracestate: "a=1" });
  assert.deepEqual(read({ traceparent }), { traceparent, tracestate: "" });
  assert.deepEqual(read({ traceparent, tracestate: "x".repeat(513) }), {
    traceparent,
    tracestate: "",
  });
  assert.equal(read({ traceparent: "00-zz" }), undefined);
  assert.equal(read({ tracestate: "a=1" }), undefined);
});

const bad: readonly [string, string | undefined][] = [
  ["meridian-tenant", undefined],
  ["meridian-tenant", "../etc"],
  ["meridian-function", "Hello"],
  ["meridian-function-version", "1.5"],
  ["meridian-function-version", "99999999999"],
  ["x-request-id", "with space"],
  ["x-request-id", "x".repeat(129)],
  ["meridian-deadline-ms", "-1"],
  ["meridian-deadline-ms", "99999999"],
  ["meridian-door", "window"],
  ["meridian-table-revision", "abc"],
];
for (const [name, value] of bad)
  test(`${name}: ${value} is refused by name`, () =>
    assert.throws(
      () => readCall({ ...good, [name]: value }),
      (error) =>
        error instanceof MeridianError &&
        error.code === "MERIDIAN_BAD_REQUEST" &&
        error.message.includes(name),
    ));

for (const value of ["", "%", packed(null), packed({ ...parts, headers: { a: 1 } }), packed("x")])
  test(`the HTTP door without a request it can read (${value}) is refused`, () =>
    assert.throws(
      () => readCall({ ...good, "meridian-door": "http", "meridian-http-request": value }),
      MeridianError,
    ));

test("whatever the headers hold, the answer is a call or a MeridianError", () => {
  const names = [...Object.keys(good), "meridian-http-request", "meridian-table-revision"];
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.string(), (name, value) => {
      try {
        readCall({ ...good, [name]: value });
      } catch (error) {
        assert.ok(error instanceof MeridianError);
      }
    }),
  );
});
