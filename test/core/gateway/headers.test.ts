import assert from "node:assert/strict";
import { test } from "node:test";
import { describeHttpRequest } from "../../../gateway/core/describe-http-request.ts";
import { withoutHopHeaders } from "../../../gateway/core/hop-headers.ts";
import { inspectHeaders } from "../../../gateway/core/inspect-headers.ts";

const good = ["Host", "meridian.example:8080", "Accept", "*/*"];
const judged: readonly (readonly [
  name: string,
  headers: readonly string[],
  code: string | undefined,
  version?: string,
])[] = [
  ["a plain request", good, undefined],
  ["an IPv6 host", ["Host", "[::1]:8080"], undefined],
  ["no Host", ["Accept", "*/*"], "MERIDIAN_BAD_REQUEST"],
  ["no Host in HTTP/1.0", ["Accept", "*/*"], undefined, "1.0"],
  ["an offer to wait", [...good, "Expect", "100-Continue"], undefined],
  ["another expectation", [...good, "Expect", "foo"], "MERIDIAN_EXPECTATION_FAILED"],
  ["another expectation in HTTP/1.0", [...good, "Expect", "foo"], undefined, "1.0"],
  ["two Host headers", [...good, "hOsT", "evil.example"], "MERIDIAN_BAD_REQUEST"],
  ["two equal Host headers", [...good, "host", "meridian.example:8080"], "MERIDIAN_BAD_REQUEST"],
  ["a Host with a path", ["Host", "a/b?c@d"], "MERIDIAN_BAD_REQUEST"],
  ["an empty Host", ["Host", ""], "MERIDIAN_BAD_REQUEST"],
  [
    "two keys",
    [...good, "Authorization", "Bearer a", "authorization", "Bearer b"],
    "MERIDIAN_BAD_REQUEST",
  ],
  [
    "two content types",
    [...good, "Content-Type", "a/b", "Content-Type", "c/d"],
    "MERIDIAN_BAD_REQUEST",
  ],
  ["repeated harmless headers", [...good, "X-A", "1", "X-A", "2"], undefined],
  ["chunked", [...good, "Transfer-Encoding", "Chunked"], undefined],
  [
    "gzip, chunked",
    [...good, "Transfer-Encoding", "gzip, chunked"],
    "MERIDIAN_TRANSFER_CODING_UNKNOWN",
  ],
  ["chunked, gzip", [...good, "Transfer-Encoding", "chunked, gzip"], "MERIDIAN_BAD_REQUEST"],
  ["chunked twice", [...good, "Transfer-Encoding", "chunked, chunked"], "MERIDIAN_BAD_REQUEST"],
  ["identity", [...good, "Transfer-Encoding", "identity"], "MERIDIAN_BAD_REQUEST"],
  [
    "a Connection that takes the key off",
    [...good, "Connection", "close, Authorization"],
    "MERIDIAN_BAD_REQUEST",
  ],
  ["a Connection that names its own headers", [...good, "Connection", "keep-alive, TE"], undefined],
  ["a port that is none", ["Host", "meridian.example:65536"], "MERIDIAN_BAD_REQUEST"],
  [
    "17 KiB of headers over HTTP/2",
    [...good, "X", "1".repeat(17_000)],
    "MERIDIAN_HEADERS_TOO_LARGE",
    "2",
  ],
  ["HTTP/2 in an HTTP/1 request line", good, "MERIDIAN_BAD_REQUEST", "2.0"],
  ["chunked in HTTP/1.0", [...good, "Transfer-Encoding", "chunked"], "MERIDIAN_BAD_REQUEST", "1.0"],
  ["an offer of h2c", [...good, "Upgrade", "h2c"], undefined],
  ["100 headers", [...good, ...Array.from({ length: 98 }, () => ["X", "1"]).flat()], undefined],
  [
    "101 headers",
    [...good, ...Array.from({ length: 99 }, () => ["X", "1"]).flat()],
    "MERIDIAN_HEADERS_TOO_LARGE",
  ],
];

for (const [name, headers, code, version] of judged)
  test(`${name}: ${code ?? "accepted"}`, () => {
    assert.equal(inspectHeaders(headers, version ?? "1.1")?.code, code);
  });

test("headers of one hop, and those that Connection nominates, are not sent on", () => {
  assert.deepEqual(
    withoutHopHeaders({
      connection: "close, X-Secret",
      "x-secret": "1",
      "keep-alive": "timeout=5",
      te: "trailers",
      "proxy-authorization": "Basic x",
      "transfer-encoding": "chunked",
      upgrade: "h2c",
      expect: "100-continue",
      "content-type": "text/plain",
      "set-cookie": ["a=1", "b=2"],
      absent: undefined,
    }),
    { "content-type": "text/plain", "set-cookie": ["a=1", "b=2"] },
  );
});

const facts = {
  method: "POST",
  path: "/x",
  rawQuery: "a=1",
  headers: {
    host: "meridian.example",
    authorization: "Bearer mk_demo",
    cookie: "a=1; b=2",
    "x-forwarded-for": "8.8.8.8",
    "x-forwarded-host": "evil.example",
    forwarded: "for=8.8.8.8",
    "x-real-ip": "8.8.8.8",
    x_forwarded_for: "8.8.8.8",
    "meridian-boot-token": "guess",
    "x-request-id": "theirs with spaces",
    traceparent: `00-${"c".repeat(32)}-${"d".repeat(16)}-01`,
    tracestate: "theirs=1",
    "user-agent": "curl",
  },
  clientIp: "203.0.113.9",
  scheme: "http" as const,
  requestId: "r-1",
  trace: {
    traceId: "a".repeat(32),
    spanId: "b".repeat(16),
    parentId: undefined,
    isSampled: true,
    traceState: "",
  },
  isKeyChecked: true,
};

test("a function sees who called as the gateway knows it, and not the platform's key", () => {
  assert.deepEqual(describeHttpRequest(facts), {
    method: "POST",
    path: "/x",
    rawQuery: "a=1",
    headers: {
      host: "meridian.example",
      "user-agent": "curl",
      "x-forwarded-for": "203.0.113.9",
      "x-forwarded-proto": "http",
      "x-request-id": "r-1",
      traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
    },
    cookies: ["a=1", "b=2"],
    sourceIp: "203.0.113.9",
    domainName: "meridian.example",
  });
});

test("a function sees the state of the trace that goes on", () => {
  const trace = { ...facts.trace, traceState: "a=1" };
  assert.equal(describeHttpRequest({ ...facts, trace }).headers["tracestate"], "a=1");
});

test("a key that a browser offered stays behind where a proxy took the upgrade off the request", () => {
  const headers = { ...facts.headers, "sec-websocket-protocol": "meridian.bearer.mk_demo, chat" };
  const described = describeHttpRequest({ ...facts, headers, isKeyChecked: false });
  assert.equal(described.headers["sec-websocket-protocol"], "chat");
});

test("a public function gets the caller's own Authorization", () => {
  const { headers } = describeHttpRequest({ ...facts, isKeyChecked: false });
  assert.equal(headers["authorization"], "Bearer mk_demo");
});
