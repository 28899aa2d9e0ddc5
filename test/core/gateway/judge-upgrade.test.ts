import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { judgeUpgrade, type UpgradeRequest } from "../../../gateway/core/judge-upgrade.ts";
import { keyAmongProtocols } from "../../../gateway/core/websocket-credentials.ts";

const websocket = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};
const asked = (
  headers: Readonly<Record<string, string>>,
  changes: Partial<UpgradeRequest> = {},
): UpgradeRequest => ({ method: "GET", httpVersion: "1.1", headers, ...changes });
const other = (upgrade: string) => asked({ connection: "upgrade", upgrade });

const cases: readonly (readonly [name: string, request: UpgradeRequest, wish: string])[] = [
  ["nothing", asked({}), "none"],
  ["a WebSocket", asked(websocket), "websocket"],
  ["one in other letters", asked({ ...websocket, upgrade: "WebSocket" }), "websocket"],
  ["among other options", asked({ ...websocket, connection: "keep-alive, Upgrade" }), "websocket"],
  ["another protocol", other("echo"), "echo"],
  ["with its version", other("echo/2"), "echo/2"],
  ["by POST", asked({ connection: "upgrade", upgrade: "echo" }, { method: "POST" }), "echo"],
  ["HTTP/2 without TLS", other("h2c"), "none"],
  ["several that are all of HTTP", other("h2c, HTTP/2.0"), "none"],
  ["TLS within HTTP", other("TLS/1.2"), "none"],
  ["in HTTP/1.0", asked(websocket, { httpVersion: "1.0" }), "none"],
  ["one that Connection does not name", asked({ upgrade: "echo" }), "none"],
  ["a WebSocket that Connection does not name", asked({ upgrade: "websocket" }), "refused"],
  ["two protocols", asked({ ...websocket, upgrade: "websocket, echo" }), "refused"],
  ["one beside HTTP/2", asked({ ...websocket, upgrade: "h2c, websocket" }), "refused"],
  ["no token", other("a b"), "refused"],
  ["a long one", other("a".repeat(65)), "refused"],
  ["with a body", asked({ ...websocket, "content-length": "1" }), "refused"],
  ["with chunks", asked({ ...websocket, "transfer-encoding": "chunked" }), "refused"],
  ["with an empty body", asked({ ...websocket, "content-length": "0" }), "websocket"],
  ["a WebSocket by POST", asked(websocket, { method: "POST" }), "refused"],
  ["of another version", asked({ ...websocket, "sec-websocket-version": "777" }), "refused"],
  ["without a key", asked({ ...websocket, "sec-websocket-key": "" }), "refused"],
  ["with two keys", asked({ ...websocket, "sec-websocket-key": "a==, b==" }), "refused"],
];

describe("what is asked for with Upgrade", () => {
  for (const [name, request, expected] of cases)
    test(`${name}: ${expected}`, () => {
      const wish = judgeUpgrade(request);
      assert.equal(wish.kind === "wanted" ? wish.protocol : wish.kind, expected);
    });
});

test("a browser's key is taken from among its protocols, and the function sees the others", () => {
  assert.equal(keyAmongProtocols(undefined), undefined);
  assert.equal(keyAmongProtocols("chat, superchat"), undefined);
  assert.deepEqual(keyAmongProtocols("chat, meridian.bearer.mk_1, superchat"), {
    key: "mk_1",
    protocols: "chat, superchat",
  });
  assert.deepEqual(keyAmongProtocols("meridian.bearer.mk_1"), {
    key: "mk_1",
    protocols: undefined,
  });
});
