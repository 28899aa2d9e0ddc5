import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest } from "../../../agents/core/build-request.ts";
import type { Call } from "../../../agents/core/read-call.ts";

const call = (door: Call["door"]): Call => ({
  tenant: "demo",
  functionName: "chat",
  version: 3,
  requestId: "r-1",
  trace: undefined,
  deadlineMs: 1_000,
  contentType: "text/plain",
  revision: 7,
  door,
});

const asked = {
  method: "PATCH",
  path: "/room",
  rawQuery: "",
  headers: { host: "chat.example", accept: "*/*" },
  cookies: [],
  sourceIp: "192.0.2.1",
  domainName: "chat.example",
};
const http = (more: object = {}) =>
  buildRequest(call({ kind: "http", request: { ...asked, ...more } }));

test("`:invoke` is POST / of the caller's type", () =>
  assert.deepEqual(buildRequest(call({ kind: "invoke" })), {
    method: "POST",
    target: "/",
    headers: { "content-type": "text/plain" },
  }));

test("at the HTTP door it is what the caller asked, with where it was asked", () =>
  assert.deepEqual(http(), {
    method: "PATCH",
    target: "/room",
    headers: { host: "chat.example", accept: "*/*", "x-forwarded-host": "chat.example" },
  }));

const targets = [
  { given: { path: "/a", rawQuery: "b=1&c=%20" }, target: "/a?b=1&c=%20" },
  { given: { path: "" }, target: "/" },
  { given: { path: "/a b" }, target: "/a%20b" },
  { given: { path: "/a\r\nx: y" }, target: "/a%0D%0Ax:%20y" },
];
for (const { given, target } of targets)
  test(`${JSON.stringify(given)} is asked for as ${target}`, () =>
    assert.equal(http(given).target, target));

test("cookies are one header again", () =>
  assert.equal(http({ cookies: ["a=1", "b=2"] }).headers["cookie"], "a=1; b=2"));

test("what belongs to the caller's connection stays behind", () => {
  const { headers } = http({
    headers: {
      connection: "x",
      "transfer-encoding": "chunked",
      upgrade: "h2c",
      te: "trailers",
      "x-own": "1",
    },
  });
  assert.deepEqual(headers, { "x-own": "1", "x-forwarded-host": "chat.example" });
});
