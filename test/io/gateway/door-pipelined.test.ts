import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { LARGE, type LanePair, openLanePair } from "../../fuzz/lane-pair.ts";
import { statusesIn } from "../../fuzz/raw-exchange.ts";

const get = (kind: string, ...headers: readonly string[]): string =>
  [`GET /${kind} HTTP/1.1`, "Host: meridian.example", ...headers, "", ""].join("\r\n");

const CONNECT = "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n";
const WEBSOCKET = get(
  "echo",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
);
/** Of which the system's buffers do not hold all at once, or that is not there at once. */
const BEFORE = ["large", "late", "stream"] as const;
const LAST = [
  ["an offer that is ignored", "Connection: Upgrade", "Upgrade: h2c"],
  ["a request that waits for leave to send no body", "Expect: 100-continue"],
] as const;

for (const lane of ["fast", "node"] as const)
  describe(`what comes behind a request, ${lane} lane`, { timeout: 60_000 }, () => {
    let pair: LanePair;
    before(async () => {
      pair = await openLanePair(false);
    });
    after(() => pair[Symbol.asyncDispose]());

    for (const kind of BEFORE) {
      test(`CONNECT is refused once the answer before it, ${kind}, was sent whole`, async () => {
        const text = await answersTo(pair[lane].path, get(kind) + CONNECT);
        assert.deepEqual(statusesIn(text), [200, 405]);
        assert.equal(text.includes(LARGE), kind === "large");
      });

      test(`an upgrade is too early before the answer, ${kind}, was sent whole`, async () => {
        const first = get(kind, "TE: trailers");
        const text = await answersTo(pair[lane].path, first + get("echo") + WEBSOCKET);
        assert.deepEqual(statusesIn(text), [200, 200, 400]);
        assert.equal(text.includes(LARGE), kind === "large");
      });
    }

    for (const [name, ...headers] of LAST)
      test(`nothing is begun behind ${name}, with which the connection ends`, async () => {
        const { path, takeSeen } = pair[lane];
        for (const behind of [get("echo"), CONNECT, WEBSOCKET, "nonsense\r\n\r\n"]) {
          takeSeen();
          const socket = connect(path).on("error", () => undefined);
          const answer = textOf(socket);
          socket.write(get("late", ...headers));
          // Node reads no further in the same packet, but in the next one.
          while (takeSeen().requests.length === 0) await setImmediate();
          socket.write(behind);
          // Bytes that come after the end are answered by a reset, which may take the answer with it.
          assert.match(statusesIn(await answer).join(), /^(?:200)?$/);
          assert.deepEqual(takeSeen().requests, [], behind);
        }
      });
  });

/** All that is said until the connection ends. */
async function answersTo(path: string, bytes: string): Promise<string> {
  const socket = connect(path).on("error", () => undefined);
  socket.write(bytes);
  return textOf(socket);
}

function textOf(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
  return new Promise((resolve) => socket.once("close", () => resolve(text)));
}
