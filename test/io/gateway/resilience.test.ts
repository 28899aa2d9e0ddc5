import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import type { Behaviour } from "./fake-agent.ts";
import { type GatewayWorld, startGatewayWorld } from "./gateway-world.ts";
import { DEMO_KEY, eventually, type FunctionShape, invoke } from "./run-gateway.ts";

const ANSWER = {
  status: 203,
  contentType: "application/json",
  body: '{"items":[]}',
};
const FORMER = { version: 1 };
/** Calls that tell how long a function takes; none of them is hedged, and the one after them may be. */
const HEDGED_AFTER = 20;

const FUNCTIONS: readonly FunctionShape[] = [
  { name: "plain" },
  { name: "other" },
  { name: "no-way-out", idempotent: true },
  { name: "full" },
  { name: "with-answer", fallback: { answer: ANSWER }, regions: ["eu", "us"] },
  { name: "with-former", fallback: FORMER, formerRegions: [] },
  { name: "with-former-in-eu", fallback: FORMER, formerRegions: ["eu", "us"], regions: ["us"] },
  { name: "with-former-elsewhere", fallback: FORMER, formerRegions: ["eu"], regions: ["us"] },
  // Its deadline is no help to an attempt that nobody withdraws.
  { name: "hedged", idempotent: true, hedge: true, timeoutMs: 600_000 },
  { name: "hedged-rarely", idempotent: true, hedge: true },
  { name: "not-idempotent", hedge: true },
  { name: "eu-critical", tier: "critical", regions: ["eu"] },
  { name: "eu-normal", regions: ["eu"] },
  { name: "eu-batch", tier: "batch", regions: ["eu"] },
  { name: "batch", tier: "batch" },
];

describe("a gateway whose clusters fail some functions", { timeout: 60_000 }, () => {
  let world: GatewayWorld;
  const totalOf = (name: string): number =>
    world.callsOf(name).reduce((sum, count) => sum + count, 0);
  const everywhere = (version: string, behaviour: Behaviour): void => {
    for (const one of world.agents) one.behaviourOf.set(version, behaviour);
  };

  before(async () => {
    world = await startGatewayWorld(FUNCTIONS);
  });
  after(() => world.stop());
  afterEach(() => {
    for (const one of world.agents) {
      one.calls.length = 0;
      one.abandoned = 0;
      one.behaviourOf.clear();
    }
  });

  const explain = async (name: string): Promise<Explanation> => {
    const answer = await fetch(
      `${world.gateway.publicUrl}/v1/route:explain?function=${name}&region=eu-west`,
      { headers: { authorization: `Bearer ${DEMO_KEY}` } },
    );
    assert.equal(answer.status, 200);
    return (await answer.json()) as Explanation;
  };
  const invokeAll = async (name: string, times: number): Promise<Response[]> => {
    const answers: Response[] = [];
    for (let time = 0; time < times; time += 1) answers.push(await invoke(world.gateway, name));
    return answers;
  };

  test("a cluster that fails a function five times gets no more of its calls, and keeps the others", async () => {
    world.agent(0).behaviourOf.set("plain@1", "lack-code");
    for (const answer of await invokeAll("plain", 8)) assert.equal(answer.status, 200);
    assert.deepEqual(world.callsOf("plain"), [5, 8, 0]);
    assert.equal((await invoke(world.gateway, "other")).headers.get("meridian-zone"), "eu-west");

    const { candidates, chosen } = await explain("plain");
    assert.equal(chosen, "us-east-1");
    const [said] = candidates.filter(({ clusterId }) => clusterId === "eu-west-1");
    assert.equal(said?.decision, "refused");
    assert.match(said?.reason ?? "", /failed the function's last calls .* again in \d+ s/);
    assert.equal((await explain("other")).chosen, "eu-west-1");
  });

  test("refusals for want of room, and the function's own errors, open nothing", async () => {
    world.agent(0).behaviourOf.set("full@1", "refuse");
    await invokeAll("full", 8);
    world.agent(0).behaviourOf.set("full@1", "function-error");
    await invokeAll("full", 8);
    assert.deepEqual(world.callsOf("full"), [16, 8, 0]);
    assert.equal((await explain("full")).chosen, "eu-west-1");
  });

  test("where every cluster fails it and it has no fallback, the least bad is still asked", async () => {
    everywhere("no-way-out@1", "platform-failure");
    await invokeAll("no-way-out", 10);
    const { candidates } = await explain("no-way-out");
    assert.ok(candidates.every(({ reason }) => reason.includes("failed the function")));
    const before = totalOf("no-way-out");
    const answer = await invoke(world.gateway, "no-way-out");
    assert.equal(answer.headers.get("meridian-error-code"), "MERIDIAN_INSTANCE_LOST");
    assert.equal(totalOf("no-way-out") - before, 1, "once: all are known to fail it");
    everywhere("no-way-out@1", "answer");
    assert.equal((await invoke(world.gateway, "no-way-out")).status, 200);
  });

  test("a fixed answer is given once the circuit is open everywhere the function may run", async () => {
    everywhere("with-answer@1", "platform-failure");
    const failed = await invokeAll("with-answer", 10);
    assert.ok(failed.every(({ status }) => status === 502));
    assert.deepEqual(world.callsOf("with-answer"), [5, 5, 0]);

    const answer = await invoke(world.gateway, "with-answer");
    assert.equal(answer.status, 203);
    assert.equal(answer.headers.get("content-type"), "application/json");
    assert.equal(answer.headers.get("meridian-fallback"), "answer");
    assert.equal(answer.headers.get("meridian-cluster"), null);
    assert.equal(await answer.text(), ANSWER.body);
    assert.deepEqual(world.callsOf("with-answer"), [5, 5, 0]);

    const { chosen, fallback, candidates } = await explain("with-answer");
    assert.deepEqual([chosen, fallback], [null, "answer"]);
    assert.ok(candidates.every(({ decision }) => decision === "refused"));
  });

  test("an older version answers in its place, on clusters that do not fail it", async () => {
    everywhere("with-former@2", "platform-failure");
    await invokeAll("with-former", 15);
    const answer = await invoke(world.gateway, "with-former");
    assert.equal(await answer.text(), "hello from eu-west");
    assert.equal(answer.headers.get("meridian-fallback"), "version");
    assert.equal(answer.headers.get("meridian-version"), "1");
    assert.equal((await explain("with-former")).fallback, "version");
  });

  test("it runs only where both it and the version it stands in for may", async () => {
    everywhere("with-former-in-eu@2", "platform-failure");
    await invokeAll("with-former-in-eu", 5);
    const answer = await invoke(world.gateway, "with-former-in-eu");
    assert.equal(answer.headers.get("meridian-fallback"), "version");
    assert.equal(answer.headers.get("meridian-zone"), "us-east");

    everywhere("with-former-elsewhere@2", "platform-failure");
    const failed = await invokeAll("with-former-elsewhere", 8);
    assert.ok(failed.every(({ status }) => status === 502));
    assert.deepEqual(world.callsOf("with-former-elsewhere"), [0, 8, 0]);
  });

  test("a hedged call that takes long is answered by another cluster, and the first is withdrawn", async () => {
    await invokeAll("hedged", HEDGED_AFTER);
    assert.deepEqual(world.callsOf("hedged"), [HEDGED_AFTER, 0, 0]);
    world.agent(0).behaviourOf.set("hedged@1", "hang");
    const answer = await invoke(world.gateway, "hedged");
    assert.equal(await answer.text(), "hello from us-east");
    assert.equal(answer.headers.get("meridian-attempts"), "2");
    assert.deepEqual(world.callsOf("hedged"), [HEDGED_AFTER + 1, 1, 0]);
    await eventually(() => world.agent(0).abandoned === 1);
  });

  test("hedges stay one in twenty calls: the others wait for their cluster", async () => {
    await invokeAll("hedged-rarely", HEDGED_AFTER);
    world.agent(0).behaviourOf.set("hedged-rarely@1", "hang");
    const headers = { "meridian-timeout-ms": "1000" };
    const calls = Array.from({ length: 40 }, () =>
      invoke(world.gateway, "hedged-rarely", { headers }),
    );
    const answers = await Promise.all(calls);
    const [first = 0, second = 0] = world.callsOf("hedged-rarely");
    assert.equal(first, HEDGED_AFTER + 40);
    assert.ok(second >= 1 && second <= 3, `${second} hedges of 60 calls`);
    assert.ok(answers.filter(({ status }) => status === 200).length <= second);
  });

  test("a function that is not idempotent is never hedged, whatever its record says", async () => {
    await invokeAll("not-idempotent", HEDGED_AFTER);
    world.agent(0).behaviourOf.set("not-idempotent@1", "hang");
    const headers = { "meridian-timeout-ms": "300" };
    assert.equal((await invoke(world.gateway, "not-idempotent", { headers })).status, 504);
    assert.deepEqual(world.callsOf("not-idempotent"), [HEDGED_AFTER + 1, 0, 0]);
  });

  test("a cluster that answers pings slowly gets fewer calls, the lowest tier turned away first", async () => {
    world.agent(0).behaviour = "hang";
    // Slow for the limit, and far from being missed.
    world.agent(0).pingDelayMs = 180;
    const leaving = new AbortController();
    const { signal } = leaving;
    const hanging = Array.from({ length: 26 }, () =>
      invoke(world.gateway, "eu-critical", { signal }),
    );
    await eventually(() => world.callsOf("eu-critical")[0] === 26);
    world.agent(0).behaviour = "answer";

    await eventually(async () => {
      const { candidates, chosen } = await explain("eu-batch");
      return chosen === null && candidates.some(({ reason }) => /26 of this gateway/.test(reason));
    });
    const shed = await invoke(world.gateway, "eu-batch");
    assert.equal(shed.status, 503);
    assert.equal(shed.headers.get("meridian-error-code"), "MERIDIAN_OVERLOADED");
    assert.equal(shed.headers.get("retry-after"), "1");
    assert.deepEqual(world.callsOf("eu-batch"), [0, 0, 0]);
    assert.equal((await invoke(world.gateway, "eu-normal")).status, 200);
    const elsewhere = (await invoke(world.gateway, "batch")).headers.get("meridian-zone");
    assert.ok(["us-east", "ap-south"].includes(elsewhere ?? ""), String(elsewhere));

    world.agent(0).pingDelayMs = 0;
    await eventually(async () => (await invoke(world.gateway, "eu-batch")).status === 200);
    leaving.abort();
    await Promise.allSettled(hanging);
  });
});

interface Explanation {
  readonly chosen: string | null;
  readonly fallback?: string;
  readonly candidates: readonly {
    readonly clusterId: string;
    readonly decision: string;
    readonly reason: string;
  }[];
}
