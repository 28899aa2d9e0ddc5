import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./support/until.ts";
import { startThreeZones } from "./support/three-zones.ts";

test("a zone that dies is taken out by the others and comes back after its hold, ramped", async () => {
  const federation = await startThreeZones();
  try {
    await until("every cluster is seen", async () => {
      const verdicts = await Promise.all(
        ["eu-west", "us-east", "ap-south"].map((zone) => federation.verdict(zone)),
      );
      return verdicts.every((verdict) => verdict?.["state"] === "up");
    });
    assert.equal((await federation.verdict("eu-west"))?.["cause"], "first-seen");

    await federation.zone("eu-west").kill();
    await until(
      "the verdict is down",
      async () => (await federation.verdict("eu-west"))?.["state"] === "down",
    );
    const down = await federation.verdict("eu-west");
    assert.deepEqual(down?.["evidence"], ["ap-south", "us-east"]);
    assert.equal(down?.["flaps"], 1);
    assert.equal((await federation.zone("us-east").status()).cluster?.state, "up");

    await federation.zone("eu-west").start();
    await until(
      "the verdict is up again",
      async () => (await federation.verdict("eu-west"))?.["state"] === "up",
    );
    assert.equal((await federation.verdict("eu-west"))?.["cause"], "unplanned");
    const { rampPercent } = (await federation.record("plan-input")) as {
      rampPercent: Record<string, number>;
    };
    assert.ok((rampPercent["eu-west-1"] ?? 100) < 100, "it starts below its share");
    await until("the ramp is done", async () => {
      const { cluster } = await federation.zone("ap-south").status();
      return (await federation.zone("us-east").status()) && cluster !== null;
    });
    await until("the ramp record is empty", async () => {
      const now = (await federation.record("plan-input")) as {
        rampPercent: Record<string, number>;
      };
      return Object.keys(now.rampPercent).length === 0;
    });
  } finally {
    await federation.stop();
  }
});
