import assert from "node:assert/strict";
import { test } from "node:test";
import { hasPython } from "../../support/has-python.ts";
import { startAgentHere } from "./support/agent-world.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const traceparent = `00-${TRACE}-00f067aa0ba902b7-01`;
const environment = `Root=1-4bf92f35-${TRACE.slice(8)};Parent=00f067aa0ba902b7;Sampled=1`;

test("an answer tells what the call took in its cluster, the wait for an instance apart from its own time", async (t) => {
  const agent = await startAgentHere(t, [{ name: "sleeps", manifest: {} }]);
  const read = async (): Promise<number[]> => {
    const { headers } = await agent.invoke("sleeps", { json: { ms: 40 } });
    const pattern = /^queue;dur=(\d+\.\d), run;dur=(\d+\.\d)$/;
    return (pattern.exec(String(headers["meridian-timing"])) ?? []).slice(1).map(Number);
  };
  const [coldQueueMs = 0, coldRunMs = 0] = await read();
  assert.ok(coldQueueMs > 1, "an instance was started");
  assert.ok(coldRunMs >= 39, `${coldRunMs}`);
  const [warmQueueMs = -1, warmRunMs = 0] = await read();
  assert.equal(warmQueueMs, 0);
  assert.ok(warmRunMs >= 39, `${warmRunMs}`);
});

for (const [runtime, manifest, options] of [
  ["node", {}, {}],
  [
    "python",
    { runtime: "python", handler: "snake.traced" },
    hasPython() ? {} : { skip: "python3 was not found on this machine" },
  ],
] as const) {
  test(
    `${runtime}: a handler is given the trace of its call, and none of the call before`,
    options,
    async (t) => {
      const agent = await startAgentHere(t, [{ name: "traced", manifest }]);
      const headers = { traceparent, tracestate: "a=1" };
      const first = await agent.invoke("traced", { json: {}, headers });
      assert.deepEqual(first.json(), { traceparent, tracestate: "a=1", environment });
      const second = await agent.invoke("traced", { json: {} });
      assert.deepEqual(second.json(), {});
      const malformed = await agent.invoke("traced", {
        json: {},
        headers: { traceparent: "00-x" },
      });
      assert.deepEqual(malformed.json(), {});
    },
  );

  test(
    `${runtime}: with several calls at once the environment names no trace`,
    options,
    async (t) => {
      const placed = { name: "traced", manifest: { ...manifest, concurrency: 2 } };
      const agent = await startAgentHere(t, [placed]);
      const answer = await agent.invoke("traced", { json: {}, headers: { traceparent } });
      assert.deepEqual(answer.json(), { traceparent });
    },
  );
}
