import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { readPlainRequest } from "../../../gateway/core/plain-request.ts";

const LINE = "GET /fn/a/b?c=%20 HTTP/1.1";
const HOST = "Host: a.example:80";

const headOf = (...lines: readonly string[]): string => `${lines.join("\r\n")}\r\n\r\n`;
const manyHeaders = Array.from({ length: 100 }, (_, index) => `X-${index}: a`);

describe("a request is plain", () => {
  test("with a head, its headers in lower case, and the length of its body", () => {
    const head = headOf(
      "POST /v1/tenants/t/functions/f:invoke HTTP/1.1",
      HOST,
      "Content-Type: text/plain; charset=utf-8",
      "X-Tight:a",
      "X-Empty:",
      "Connection: Keep-Alive",
      "CONTENT-LENGTH: 12",
    );
    assert.deepEqual(readPlainRequest(`${head}twelve bytes and more`), {
      kind: "plain",
      method: "POST",
      target: "/v1/tenants/t/functions/f:invoke",
      headers: {
        host: "a.example:80",
        "content-type": "text/plain; charset=utf-8",
        "x-tight": "a",
        "x-empty": "",
        connection: "Keep-Alive",
        "content-length": "12",
      },
      headBytes: head.length,
      bodyBytes: 12,
    });
  });

  test("or is not whole yet, wherever it was cut", () => {
    const head = headOf(LINE, HOST, "Accept: */*");
    for (let bytes = 0; bytes < head.length; bytes += 1)
      assert.equal(readPlainRequest(head.slice(0, bytes)).kind, "unfinished", `${bytes}`);
    assert.equal(readPlainRequest(head).kind, "plain");
  });
});

describe("a request is for Node's server", () => {
  const others: readonly (readonly [name: string, head: string])[] = [
    ["HTTP/1.0", headOf("GET / HTTP/1.0", HOST)],
    ["HEAD", headOf("HEAD / HTTP/1.1", HOST)],
    ["CONNECT", headOf("CONNECT a:1 HTTP/1.1", HOST)],
    ["a method in lower case", headOf("get / HTTP/1.1", HOST)],
    ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["absolute form", headOf("GET http://a.example/ HTTP/1.1", HOST)],
    ["a bare LF", `${LINE}\n${HOST}\n\n`],
    ["a bare CR", headOf(LINE, HOST, "X-A: 1\rX-B: 2")],
    ["a NUL", headOf(LINE, HOST, "X-A: \0")],
    ["two spaces in the request line", headOf("GET  / HTTP/1.1", HOST)],
    ["an empty line before it", `\r\n${headOf(LINE, HOST)}`],
    ["a backslash in the path", headOf("GET /a\\b HTTP/1.1", HOST)],
    ["a fragment", headOf("GET /a#b HTTP/1.1", HOST)],
    ["a byte beyond ASCII", headOf(LINE, HOST, "X-A: caf\u00e9")],
    ["a tab", headOf(LINE, HOST, "X-A:\ta")],
    ["two spaces before a value", headOf(LINE, HOST, "X-A:  a")],
    ["a space behind a value", headOf(LINE, HOST, "X-A: a ")],
    ["a space before a colon", headOf(LINE, HOST, "X-A : a")],
    ["a folded header", headOf(LINE, HOST, "X-A: 1", " 2")],
    ["an underscore in a name", headOf(LINE, HOST, "X_A: 1")],
    ["a header twice", headOf(LINE, HOST, "X-A: 1", "x-a: 1")],
    ["a name that every object has", headOf(LINE, HOST, "constructor: 1")],
    ["no Host", headOf(LINE)],
    ["a Host that is none", headOf(LINE, "Host: a/b")],
    ["Connection: close", headOf(LINE, HOST, "Connection: close")],
    ["Connection with a name", headOf(LINE, HOST, "Connection: keep-alive, x-a")],
    ["Upgrade", headOf(LINE, HOST, "Upgrade: h2c")],
    ["Expect", headOf(LINE, HOST, "Expect: 100-continue")],
    ["Transfer-Encoding", headOf(LINE, HOST, "Transfer-Encoding: chunked")],
    ["an empty Content-Length", headOf(LINE, HOST, "Content-Length:")],
    ["a Content-Length with a sign", headOf(LINE, HOST, "Content-Length: +1")],
    ["a Content-Length with a leading zero", headOf(LINE, HOST, "Content-Length: 01")],
    ["a Content-Length list", headOf(LINE, HOST, "Content-Length: 1, 1")],
    ["a large body", headOf(LINE, HOST, "Content-Length: 32769")],
    ["a large head", headOf(LINE, HOST, `X-A: ${"a".repeat(9_000)}`)],
    ["101 headers", headOf(LINE, HOST, ...manyHeaders)],
    ["what the door refuses", headOf(LINE, HOST, "Idempotency-Key: a b")],
  ];
  for (const [name, head] of others)
    test(name, () => assert.equal(readPlainRequest(head).kind, "other"));

  test("as soon as a line came whole that is none of a plain one", () =>
    assert.equal(readPlainRequest(`${LINE}\r\n${HOST}\r\nX-A: \u0001\r\n`).kind, "other"));
});

test("no bytes are read past the head, and none of them twice", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary-ascii", maxLength: 60 }), (behind) => {
      const head = headOf(LINE, HOST, "Content-Length: 3");
      const read = readPlainRequest(head + behind);
      assert.deepEqual(read, readPlainRequest(head));
    }),
  );
});
