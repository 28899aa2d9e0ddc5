import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpRequestParts } from "#lib/contracts/invocation.ts";
import type { Call } from "../../../agents/core/read-call.ts";
import { readReplayKey, type ReplayKey } from "../../../agents/core/replay-key.ts";

const call: Call = {
  tenant: "demo",
  functionName: "pay",
  version: 1,
  requestId: "r-1",
  deadlineMs: 1_000,
  contentType: "application/json",
  revision: undefined,
  door: { kind: "invoke" },
  trace: undefined,
};
const request: HttpRequestParts = {
  method: "POST",
  path: "/orders",
  rawQuery: "a=1",
  headers: { host: "a", authorization: "Basic YTpi" },
  cookies: ["session=1"],
  sourceIp: "192.0.2.1",
  domainName: "a",
};
const http: Call = { ...call, door: { kind: "http", request } };
const withRequest = (changes: Partial<HttpRequestParts>): Call => ({
  ...http,
  door: { kind: "http", request: { ...request, ...changes } },
});
const headers = { "meridian-idempotency-key": "k", "meridian-alias": "live" };

function keyOf(changes: Partial<Call> = {}, of = headers, body = "{}"): ReplayKey {
  const key = readReplayKey(of, { ...call, ...changes }, Buffer.from(body));
  assert.ok(key !== undefined);
  return key;
}

test("a call without a key has none", () =>
  assert.equal(readReplayKey({ "meridian-alias": "live" }, call, Buffer.alloc(0)), undefined));

test("the caller's key counts before that of an SDK", () => {
  const sdk = { "meridian-sdk-invocation-id": "k" };
  assert.equal(keyOf({}, { ...headers, ...sdk }).source, "key");
  const own = readReplayKey({ ...sdk, "meridian-alias": "live" }, call, Buffer.from("{}"));
  assert.equal(own?.source, "sdk");
  assert.notEqual(own?.id, keyOf().id);
});

test("tenant, function, alias and key make the scope; version and request do not", () => {
  const { id } = keyOf();
  const others = [
    keyOf({ tenant: "other" }),
    keyOf({ functionName: "refund" }),
    keyOf({}, { ...headers, "meridian-alias": "beta" }),
    keyOf({}, { ...headers, "meridian-idempotency-key": "k2" }),
  ];
  assert.equal(new Set([id, ...others.map((other) => other.id)]).size, 5);
  assert.equal(keyOf({ version: 2, requestId: "r-2", deadlineMs: 5 }, headers, "[]").id, id);
});

const sameRequest: readonly [string, ReplayKey, ReplayKey][] = [
  [
    "version, request id and deadline",
    keyOf(),
    keyOf({ version: 2, requestId: "x", deadlineMs: 9 }),
  ],
  [
    "the caller's address and what is new with each attempt",
    keyOf(http),
    keyOf(
      withRequest({
        sourceIp: "::1",
        headers: { ...request.headers, date: "now", "x-request-id": "2", "x-forwarded-for": "::1" },
      }),
    ),
  ],
];
for (const [what, one, other] of sameRequest)
  test(`${what} do not make another request`, () =>
    assert.equal(one.fingerprint, other.fingerprint));

const otherRequest: readonly [string, ReplayKey, ReplayKey][] = [
  [
    "any header that may tell who asks",
    keyOf(withRequest({ headers: { ...request.headers, "x-api-key": "alice" } })),
    keyOf(withRequest({ headers: { ...request.headers, "x-api-key": "mallory" } })),
  ],
  ["the body", keyOf(), keyOf({}, headers, "[]")],
  ["the type of the body", keyOf(), keyOf({ contentType: "text/plain" })],
  ["the door", keyOf(), keyOf(http)],
  ["the method", keyOf(http), keyOf(withRequest({ method: "PUT" }))],
  ["the path", keyOf(http), keyOf(withRequest({ path: "/" }))],
  ["the query", keyOf(http), keyOf(withRequest({ rawQuery: "" }))],
  [
    "who asks a public function",
    keyOf(http),
    keyOf(withRequest({ headers: { ...request.headers, authorization: "Basic eA" } })),
  ],
  ["the session at a public function", keyOf(http), keyOf(withRequest({ cookies: ["session=2"] }))],
];
for (const [what, one, other] of otherRequest)
  test(`${what} makes another request`, () => assert.notEqual(one.fingerprint, other.fingerprint));
