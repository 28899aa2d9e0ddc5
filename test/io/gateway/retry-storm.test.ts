import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Behaviour } from "./fake-agent.ts";
import { type GatewayWorld, startGatewayWorld } from "./gateway-world.ts";
import { invoke } from "./run-gateway.ts";

const CALLERS = 40;
const TIMES = 5;
const AMPLIFICATION_MAX = 1.2;

const storms: readonly (readonly [behaviour: Behaviour, isIdempotent: boolean])[] = [
  ["refuse", false],
  ["lack-code", false],
  ["platform-failure", true],
  ["reset", true],
];

for (const [behaviour, idempotent] of storms)
  describe(`where every cluster does ${behaviour}, and callers ask five times`, () => {
    let world: GatewayWorld;
    before(async () => {
      world = await startGatewayWorld([{ name: "storm", idempotent }]);
    });
    after(() => world.stop());

    test("the clusters get 1.2 times the requests at most", async (t) => {
      for (const one of world.agents) one.behaviour = behaviour;
      const askAgain = async (): Promise<void> => {
        for (let time = 0; time < TIMES; time += 1) {
          const answer = await invoke(world.gateway, "storm");
          assert.ok(answer.status >= 500);
          await answer.body?.cancel();
        }
      };
      await Promise.all(Array.from({ length: CALLERS }, askAgain));
      const attempts = world.callsOf("storm").reduce((sum, count) => sum + count, 0);
      const requests = CALLERS * TIMES;
      t.diagnostic(`${attempts} attempts for ${requests} requests`);
      assert.ok(attempts >= CALLERS, "the clusters were asked");
      assert.ok(attempts <= requests * AMPLIFICATION_MAX, `${attempts} for ${requests}`);
    });
  });
