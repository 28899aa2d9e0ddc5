import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Value } from "typebox/value";
import { Deployed } from "#lib/contracts/api.ts";
import { RouteExplanation } from "#lib/contracts/api-status.ts";
import { RolloutRecord } from "#lib/contracts/catalog-records.ts";
import { readEndpoints } from "#lib/io/run-directory.ts";
import {
  type CommandResult,
  type Federation,
  REPOSITORY,
  startFederation,
  until,
} from "./support/federation.ts";
import { startLoad } from "./support/steady-load.ts";

const ZONES = ["eu-west", "us-east", "ap-south"] as const;
const FLAKY = join(REPOSITORY, "test/system/functions/flaky");
const CANARY = ["--canary", "--steps", "20,50,100", "--step-seconds", "1", "--calls-min", "20"];
const ROLLOUT_LIMIT_MS = 90_000;

let federation: Federation;
before(async () => {
  federation = await startFederation();
  ok(await deploy());
});
after(() => federation.stop());

const deploy = (...flags: string[]): Promise<CommandResult> =>
  federation.cli("deploy", FLAKY, ...flags);
function ok(result: CommandResult): string {
  assert.equal(result.exitCode, 0, result.stderr + result.stdout);
  return result.stdout;
}

async function rollout(): Promise<RolloutRecord> {
  const answer = await federation.request("/v1/tenants/demo/functions/flaky/rollouts");
  return Value.Parse(RolloutRecord, JSON.parse(answer.text).items[0]);
}
const ended = (): Promise<RolloutRecord> =>
  until("the rollout has ended", ROLLOUT_LIMIT_MS, async () => {
    const now = await rollout();
    return now.state === "running" ? undefined : now;
  });
const servedVersions = async (): Promise<readonly (string | null)[]> =>
  Promise.all(
    ZONES.map(async (zone) => {
      const path = "/v1/tenants/demo/functions/flaky:invoke";
      const answer = await federation.request(path, { zone, method: "POST", body: "{}" });
      return answer.headers.get("meridian-version");
    }),
  );

test("a version that throws in 30 of 100 calls goes back by itself, and no more than its share of one zone has seen it", async () => {
  const load = await startLoad(federation, "flaky", ZONES);
  try {
    // 12 errors are enough to tell; of 100 calls fewer fail in 6 of a million runs.
    ok(await deploy("--env", "FAIL_PERCENT=30", ...CANARY, "--calls-min", "100"));
    const { state, reason, toVersion, zones } = await ended();
    assert.equal(state, "rolled-back", reason);
    assert.match(reason, /^eu-west: more errors/);
    const bad = load.tally("eu-west", String(toVersion));
    const good = load.tally("eu-west", "1");
    assert.ok(bad.errors > 0);
    assert.ok(bad.calls / (bad.calls + good.calls) <= 0.5, `${bad.calls} and ${good.calls} calls`);
    for (const zone of zones.slice(1))
      assert.equal(load.tally(zone, String(toVersion)).calls, 0, `${zone} never saw it`);
    await until("all zones serve version 1", 5_000, async () =>
      (await servedVersions()).every((version) => version === "1") ? true : undefined,
    );
  } finally {
    await load.stop();
  }
});

test("a good version reaches every zone in order, also when a gateway is killed in the middle of its step", async () => {
  const load = await startLoad(federation, "flaky", ZONES);
  try {
    ok(await deploy(...CANARY, "--zones", "us-east"));
    const order = ["us-east", "eu-west", "ap-south"];
    assert.deepEqual((await rollout()).zones, order);
    const gateways = await readEndpoints(join(federation.state, "run"));
    const victim = gateways.find(
      ({ program, zone }) => program === "gateway" && zone === "us-east",
    );
    assert.ok(victim !== undefined);
    await until("the first step was counted", 10_000, async () =>
      load.tally("us-east", "3").calls > 5 ? true : undefined,
    );
    process.kill(victim.pid, "SIGKILL");

    const seen: string[] = [];
    const last = await until("the rollout has ended", ROLLOUT_LIMIT_MS, async () => {
      const now = await rollout();
      const at = `${now.zones[now.zoneIndex]} ${now.stepPercents[now.stepIndex]}`;
      if (seen.at(-1) !== at) seen.push(at);
      return now.state === "running" ? undefined : now;
    });
    assert.equal(last.state, "succeeded", last.reason);
    const steps = order.flatMap((zone) => [20, 50, 100].map((percent) => `${zone} ${percent}`));
    // A look may miss a step; none comes before another.
    assert.deepEqual(
      seen,
      steps.filter((step) => seen.includes(step)),
    );
    await until("all zones serve version 3", 5_000, async () =>
      (await servedVersions()).every((version) => version === "3") ? true : undefined,
    );
  } finally {
    await load.stop();
  }
});

test("while a rollout runs, explain shows its share, deploy and move are refused, and rollback ends it", async () => {
  ok(await deploy("--canary", "--steps", "20,100"));
  const explained = await federation.request("/v1/route:explain?tenant=demo&function=flaky", {
    zone: "eu-west",
  });
  const { split } = Value.Parse(RouteExplanation, JSON.parse(explained.text));
  const id = (await rollout()).id;
  assert.deepEqual(split, [
    { version: 3, percent: 80 },
    { version: 4, percent: 20, rolloutId: id },
  ]);
  const moved = await federation.cli("alias", "set", "flaky", "live", "--to", "1");
  assert.match(moved.stderr, new RegExp(`${id}[^]*MERIDIAN_CONFLICT`));
  const deployed = await deploy();
  assert.match(deployed.stderr, /MERIDIAN_CONFLICT/);
  assert.match(ok(await federation.cli("rollback", "flaky")), /cancelled/);
  assert.equal((await rollout()).state, "cancelled");
  assert.match(ok(await federation.cli("rollback", "flaky", "--to", "1")), /version 1/);
});

test("weights divide the calls, a version without an alias gets none, and a placement keeps them where they may run", async () => {
  ok(await federation.cli("alias", "set", "flaky", "live", "--to", "1", "--also", "3=50"));
  const versions = new Map<string | null, number>();
  for (let count = 0; count < 60; count += 1)
    for (const version of await servedVersions())
      versions.set(version, (versions.get(version) ?? 0) + 1);
  assert.deepEqual(new Set(versions.keys()), new Set(["1", "3"]));
  // 180 draws of one half: further off than this in one of ten million cases.
  assert.ok((versions.get("3") ?? 0) > 54, JSON.stringify([...versions]));

  ok(await federation.cli("alias", "set", "flaky", "live", "--to", "1"));
  const published = ok(await deploy("--no-promote", "--json"));
  assert.equal(Value.Parse(Deployed, JSON.parse(published)).alias, null);
  assert.deepEqual(new Set(await servedVersions()), new Set(["1"]));

  ok(await federation.cli("placement", "flaky", "--region", "us"));
  const path = "/v1/tenants/demo/functions/flaky:invoke";
  for (const zone of ZONES) {
    const answer = await federation.request(path, { zone, method: "POST", body: "{}" });
    assert.equal(answer.headers.get("meridian-zone"), "us-east");
  }
});

test("a version that takes 300 ms longer goes back by itself, though none of its calls fails", async () => {
  const load = await startLoad(federation, "flaky", ZONES);
  try {
    ok(await deploy("--env", "SLOW_MS=300", ...CANARY, "--calls-min", "100"));
    const { state, reason, fromVersion, toVersion } = await ended();
    assert.equal(state, "rolled-back", reason);
    assert.match(reason, /^eu-west: slower by more than 1.2 times/);
    assert.equal(load.tally("eu-west", String(toVersion)).errors, 0);
    await until("all zones serve the version before", 5_000, async () =>
      (await servedVersions()).every((version) => version === String(fromVersion))
        ? true
        : undefined,
    );
  } finally {
    await load.stop();
  }
});
