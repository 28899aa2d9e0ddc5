import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sandboxObstacle } from "../io/agents/support/sandbox-here.ts";
import { type Federation, startFederation } from "./support/federation.ts";

const skip = await sandboxObstacle();
let federation: Federation;

before(async () => {
  if (skip !== false) return;
  process.env["MERIDIAN_SANDBOX"] = "auto";
  federation = await startFederation();
});
after(async () => {
  await federation?.stop();
});

test(
  "a function sees its code and nothing of the federation, and the next call works",
  { skip },
  async () => {
    const deployed = await federation.cli(
      ..."deploy test/io/agents/functions --name attacker --handler attacks.handler --no-bundle".split(
        " ",
      ),
    );
    assert.equal(deployed.exitCode, 0, deployed.stderr);
    const attack = async (event: object): Promise<unknown> => {
      const answer = await federation.request("/v1/tenants/demo/functions/attacker:invoke", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(event),
      });
      assert.equal(answer.status, 200, answer.text);
      return JSON.parse(answer.text).seen;
    };
    assert.equal(await attack({ attack: "nothing" }), "fine");
    const bootToken = `${federation.state}/run/boot-token`;
    assert.equal(await attack({ attack: "read", path: bootToken }), "ENOENT");
    assert.equal(await attack({ attack: "signal", pid: federation.up.pid }), "ESRCH");
    assert.ok(Number(await attack({ attack: "processes" })) <= 4);
    assert.equal(await attack({ attack: "nothing" }), "fine");
  },
);
