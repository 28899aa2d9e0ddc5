import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { type Placed, type RunningAgent, startAgentHere } from "./support/agent-world.ts";

/* Programs of one's own, functions/bootstrap, behind a whole agent; AWS's own are in runtime-api/ and test/system. */

const start = (t: TestContext, manifest: Placed["manifest"]): Promise<RunningAgent> =>
  startAgentHere(t, [{ name: "own", manifest: { runtime: "provided", ...manifest } }]);

const post = (path: string) => ({ http: { method: "POST", path, rawQuery: "" } });

test("a program answers over the Runtime API", async (t) => {
  const agent = await start(t, { handler: "echoes" });
  const first = await agent.invoke("own", { json: { name: "Ann" } });
  assert.deepEqual(first.json(), { name: "Ann" }, first.text);
  assert.equal(first.headers["meridian-cold-start"], "true");
  const second = await agent.invoke("own", { json: [1] });
  assert.deepEqual(second.json(), [1]);
  assert.equal(second.headers["meridian-cold-start"], "false");
});

test("what it streams goes out with the head it said, and through `:invoke` as text", async (t) => {
  const agent = await start(t, { handler: "streams", contentType: "text/plain" });
  const answer = await agent.open("own", post("/"));
  assert.equal(answer.status, 201);
  assert.equal(answer.headers["x-shape"], "stream");
  assert.equal(await text(answer.body), "one,two,three");
  const whole = await agent.open("own", { json: {} });
  assert.equal(await text(whole.body), "one,two,three");
});

test("a stream that breaks off is cut, and its instance takes the next call", async (t) => {
  const agent = await start(t, { handler: "streams" });
  const broken = await agent.open("own", post("/broken"));
  await assert.rejects(text(broken.body));
  const next = await agent.open("own", post("/"));
  assert.equal(await text(next.body), "one,two,three");
});

test("a program may be a server", async (t) => {
  const agent = await start(t, { interface: "http", handler: "anything" });
  assert.equal((await agent.invoke("own", post("/a/b"))).text, "served POST /a/b");
});
