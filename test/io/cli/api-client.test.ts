import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { Type } from "typebox";
import { apiClient } from "../../../cli/api-client.ts";
import { BrokenOffError, UnreachableError } from "../../../cli/failures.ts";

const Item = Type.Object({ name: Type.String() });
const ANSWER =
  'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{"name":"one"}';

test("a gateway that dies under a question: reading is repeated, a change is not, and it is said that it may have been done", async (t) => {
  const asked: string[] = [];
  const endpoint = await listen(t, (socket) =>
    socket.once("data", (bytes: Buffer) => {
      asked.push(bytes.toString().split(" ")[0] ?? "");
      if (asked.length < 3) socket.destroy();
      else socket.end(ANSWER);
    }),
  );
  const client = apiClient(endpoint, "key");
  await assert.rejects(client.done({ method: "POST", path: "/v1/things", json: {} }), (error) => {
    assert.ok(error instanceof BrokenOffError);
    assert.match(error.message, /may have been done/);
    return true;
  });
  assert.deepEqual(await client.json(Item, { path: "/v1/things/one" }), { name: "one" });
  assert.deepEqual(asked, ["POST", "GET", "GET"]);
});

test("where nobody listens even a change is asked again, as another gateway may take the port", async (t) => {
  const endpoint = await listen(t, () => undefined, "closed");
  const client = apiClient(endpoint, "key");
  await assert.rejects(client.done({ method: "POST", path: "/v1/things" }), UnreachableError);
  const asking = client.json(Item, { method: "POST", path: "/v1/things" });
  await listen(
    t,
    (socket) => socket.once("data", () => socket.end(ANSWER)),
    new URL(endpoint).port,
  );
  assert.deepEqual(await asking, { name: "one" });
});

async function listen(
  t: TestContext,
  onSocket: (socket: Socket) => void,
  at: string = "0",
): Promise<string> {
  const server: Server = createServer(onSocket);
  const port = at === "closed" ? 0 : Number(at);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const close = () => new Promise((resolve) => server.close(resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  if (at === "closed") await close();
  else t.after(close);
  return endpoint;
}
