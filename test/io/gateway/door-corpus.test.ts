import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { corpus } from "../../fuzz/corpus.ts";
import { rawExchange } from "../../fuzz/raw-exchange.ts";
import { type DoorWorld, openDoorWorld } from "./door-world.ts";

const SILENCE_MS = 250;
/** A connection that has to end may take this long. */
const CLOSING_MS = 3_000;

for (const fastLane of ["on", "off"] as const) describeCorpus(fastLane);

function describeCorpus(fastLane: "on" | "off"): void {
  describe(`each payload of the corpus, fast lane ${fastLane}`, { timeout: 120_000 }, () => {
    let world: DoorWorld;
    before(async () => {
      world = await openDoorWorld({ fastLane });
    });
    after(() => world[Symbol.asyncDispose]());

    for (const { name, bytes, statuses, closes, calls, hidden } of corpus)
      test(`${name}: ${statuses.join(", ")}${closes ? " and closed" : ""}`, async () => {
        const { gateway, agent, federator } = world;
        agent.calls.length = 0;
        const answers = await rawExchange(
          gateway.publicUrl,
          bytes,
          closes ? CLOSING_MS : SILENCE_MS,
        );
        const expected = statuses.map((status, index) =>
          [status].flat().includes(answers.statuses[index] ?? 0) ? answers.statuses[index] : status,
        );
        assert.deepEqual(answers.statuses, expected, answers.text);
        assert.equal(answers.isClosed, closes, closes ? "the connection ends" : "it goes on");
        for (const status of answers.statuses)
          if (status >= 400) assert.match(answers.text, /\r\nx-request-id: \S+/i);
        if (answers.statuses.includes(405)) assert.match(answers.text, /\r\nallow: \S/i);
        assert.equal(agent.calls.length, calls, "calls that reached the agent");
        const seen = agent.calls.map(({ headers, body }) =>
          decodeURIComponent(JSON.stringify(headers) + body),
        );
        for (const word of hidden)
          assert.ok(!seen.join().includes(word), `${word} reached the agent: ${seen.join()}`);
        assert.equal(federator.passed.length, 0, "nothing of it reached the federator");
      });
  });
}

test("the corpus is as large as it says", () => {
  assert.ok(corpus.length >= 100, `${corpus.length}`);
  assert.equal(new Set(corpus.map(({ name }) => name)).size, corpus.length);
});
