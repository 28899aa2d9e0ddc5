import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import type { FeedClient } from "#lib/io/feed-link.ts";
import { followFeed } from "#lib/io/follow-feed.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import type { ExtraObserver } from "#lib/ports/discovery.ts";
import { startFakeGateway } from "../support/fake-gateway.ts";
import { startThreeZones, type TestFederation, ZONES } from "../support/three-zones.ts";
import { until } from "../support/until.ts";

/** The agent of a zone, as far as its table goes; what it has in force can be kept from its federator. */
async function followAsAgent(federation: TestFederation, zone: string) {
  const { client, discovery, directory } = federation;
  const receiver = `${zone}.agent`;
  let isMute = false;
  const feedClient: FeedClient = {
    stream: client.stream,
    json: async (...call) => {
      if (isMute) throw new Error("nothing of it comes through");
      return client.json(...call);
    },
  };
  const follower = await followFeed({
    receiver,
    zone,
    tableFile: join(directory, `${receiver}.table`),
    discovery,
    client: feedClient,
    clock: systemClock,
    random: systemRandom,
    log: pino({ level: "silent" }),
  });
  federation.onStop(follower.close);
  return {
    mute: () => (isMute = true),
    speak: () => (isMute = false),
  };
}

test("a cluster that answers again stays out until its agent has the table that took it out, however long that takes", async () => {
  const federation = await startThreeZones();
  try {
    await until("every cluster is seen", federation.allInService);
    const agent = await followAsAgent(federation, "ap-south");
    const status = () => federation.zone("ap-south").status();
    await until("its agent has a table", async () =>
      (await status()).receivers.some(({ position }) => position !== null),
    );

    agent.mute();
    await federation.zone("ap-south").killAgent();
    await until("the verdict is down", async () => !(await federation.isInService("ap-south")));
    await federation.zone("ap-south").startAgent();
    await until("it is seen to answer with an old table", async () => {
      const { cluster } = await status();
      return cluster?.sight === "behind";
    });
    // More than the three holds that would do where nothing is known of the agent.
    const endMs = systemClock.nowMs() + 3_000;
    while (systemClock.nowMs() < endMs) {
      assert.equal(await federation.isInService("ap-south"), false);
      await systemClock.sleep(50);
    }

    agent.speak();
    await until("it is back", async () => federation.isInService("ap-south"));
    assert.equal((await federation.verdict("ap-south"))?.["cause"], "unplanned");
  } finally {
    await federation.stop();
  }
});

test("what an observer outside the federation says neither takes a cluster out that the zones see up, nor keeps one in that they see down", async () => {
  const views = new Map<string, "up" | "down">();
  const liar: ExtraObserver = { views: () => views, ageMs: () => 0 };
  const federation = await startThreeZones({}, undefined, liar);
  try {
    await until("every cluster is seen", federation.allInService);
    const gateway = await startFakeGateway(federation, "eu-west");
    await until("the gateway has a table", async () => gateway.table() !== undefined);

    for (const { clusterId } of ZONES) views.set(clusterId, "down");
    const endMs = systemClock.nowMs() + 1_500;
    while (systemClock.nowMs() < endMs) {
      assert.deepEqual(gateway.overlay(), []);
      assert.ok(await federation.allInService());
      await systemClock.sleep(50);
    }

    for (const { clusterId } of ZONES) views.set(clusterId, "up");
    await federation.zone("us-east").killAgent();
    await until("the overlay has it", async () => gateway.overlay().join() === "us-east-1");
    await until("the verdict is down", async () => !(await federation.isInService("us-east")));
    const evidence = (await federation.verdict("us-east"))?.["evidence"] as string[];
    assert.ok(!evidence.includes("consul"), "its word is not in the evidence");
  } finally {
    await federation.stop();
  }
});
