import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Value } from "typebox/value";
import { Deployed } from "#lib/contracts/api.ts";
import { FederationStatus } from "#lib/contracts/api-status.ts";
import { RolloutRecord } from "#lib/contracts/catalog-records.ts";
import { readEndpoints } from "#lib/io/run-directory.ts";
import {
  type CommandResult,
  type Federation,
  REPOSITORY,
  startFederation,
  until,
} from "./support/federation.ts";
import { type SteadyLoad, startLoad } from "./support/steady-load.ts";

/* What is acknowledged of a function's life outlives the zone, or the leader, that acknowledged it. */
const ZONES = ["eu-west", "us-east", "ap-south"] as const;
const FLAKY = join(REPOSITORY, "test/system/functions/flaky");
const CANARY = ["--canary", "--steps", "20,50,100", "--step-seconds", "1"];
const ROLLOUT_LIMIT_MS = 90_000;

let federation: Federation;
before(async () => {
  federation = await startFederation();
});
after(() => federation.stop());

function ok(result: CommandResult): string {
  assert.equal(result.exitCode, 0, result.stderr + result.stdout);
  return result.stdout;
}
async function endpointsOf(zone: string) {
  const endpoints = await readEndpoints(join(federation.state, "run"));
  return endpoints.filter((one) => one.zone === zone);
}

test("a zone killed with its disk right after a deploy loses no code: the others answer at once, and again from nothing", async () => {
  const victim = "eu-west";
  const { zones } = await federation.credentials();
  const pids = (await endpointsOf(victim)).map(({ pid }) => pid);
  const url = zones[victim]?.gateway ?? assert.fail("the zone has a gateway");
  const answer = await federation.cli("deploy", FLAKY, "--endpoint", url, "--json");
  for (const pid of pids) process.kill(pid, "SIGKILL");
  const { version, codeZones } = Value.Parse(Deployed, JSON.parse(ok(answer)));
  await rm(join(federation.state, "zones", victim, "code"), { recursive: true });

  const others = ZONES.filter((zone) => zone !== victim);
  for (const zone of others) {
    const called = await invoke("flaky", zone);
    assert.deepEqual([called.status, called.text], [200, "well"], zone);
  }
  const holding = codeZones.filter((zone) => zone !== victim);
  assert.ok(holding.length > 0, codeZones.join());
  for (const zone of holding) {
    const file = join(federation.state, "zones", zone, "code", `${version.codeDigest}.zip`);
    const digest = createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
    assert.equal(`sha256:${digest}`, version.codeDigest);
  }

  ok(await federation.cli("zone", "kill", victim));
  ok(await federation.cli("zone", "start", victim));
  await until("the zone has the code again, and serves from its own cluster", 30_000, async () => {
    const called = await invoke("flaky", victim);
    return called.status === 200 && called.headers.get("meridian-zone") === victim
      ? true
      : undefined;
  });
});

test("a rollout goes on where it stood when its leader is killed, and takes no step twice", async () => {
  const { last, leader } = await rolloutWithoutItsLeader("FAIL_PERCENT=0", "20");
  assert.equal(last.state, "succeeded", last.reason);
  const { stdout } = await federation.cli("audit", "--json");
  const { items } = JSON.parse(stdout) as {
    items: { change: { action: string; requestId: string; detail: { reason?: string } } }[];
  };
  const taken = items
    .map(({ change }) => change)
    .filter(({ action }) => action === "rollouts.step" || action === "rollouts.succeed")
    .filter(({ requestId, detail }) => requestId.startsWith(last.id) && detail.reason === "");
  const steps = taken.map(({ requestId }) => requestId);
  assert.equal(new Set(steps).size, steps.length, steps.join(" "));
  assert.equal(steps.length, ZONES.length * 3 - 1, `${leader}: ${steps.join(" ")}`);
});

test("a bad version goes back by itself although the leader was killed while it was found out", async () => {
  const { last, load } = await rolloutWithoutItsLeader("FAIL_PERCENT=30", "100");
  assert.equal(last.state, "rolled-back", last.reason);
  assert.match(last.reason, /more errors/);
  const first = last.zones[0] ?? "";
  for (const zone of ZONES.filter((one) => one !== first))
    assert.equal(load.tally(zone, String(last.toVersion)).calls, 0, `${zone} never saw it`);
  await until("all zones serve the version before", 5_000, async () => {
    const answers = await Promise.all(ZONES.map((zone) => invoke("flaky", zone)));
    const served = answers.map(({ headers }) => headers.get("meridian-version"));
    return served.every((version) => version === String(last.fromVersion)) ? true : undefined;
  });
});

/** Kills the leader, whose own zone is the one that moves, once the canary has had its first calls. */
async function rolloutWithoutItsLeader(
  environment: string,
  callsMin: string,
): Promise<{
  readonly last: RolloutRecord;
  readonly leader: string;
  readonly load: Pick<SteadyLoad, "tally">;
}> {
  const load = await startLoad(federation, "flaky", ZONES);
  try {
    const leader = await until("there is a leader", 20_000, leaderZone);
    const version = ["--env", environment, ...CANARY, "--calls-min", callsMin, "--zones", leader];
    ok(await federation.cli("deploy", FLAKY, ...version));
    const { toVersion } = await rollout();
    await until("the first step was counted", 20_000, async () =>
      load.tally(leader, String(toVersion)).calls > 2 ? true : undefined,
    );
    const victim = (await endpointsOf(leader)).find(({ program }) => program === "federator");
    assert.ok(victim !== undefined);
    assert.equal((await rollout()).state, "running", "it was killed in the middle");
    process.kill(victim.pid, "SIGKILL");
    const last = await until("the rollout has ended", ROLLOUT_LIMIT_MS, async () => {
      const now = await rollout();
      return now.state === "running" ? undefined : now;
    });
    return { last, leader, load };
  } finally {
    await load.stop();
  }
}

async function leaderZone(): Promise<string | undefined> {
  const { text } = await federation.request("/v1/status", { as: "operator" });
  return Value.Parse(FederationStatus, JSON.parse(text)).leader ?? undefined;
}
async function rollout(): Promise<RolloutRecord> {
  const answer = await federation.request("/v1/tenants/demo/functions/flaky/rollouts");
  return Value.Parse(RolloutRecord, JSON.parse(answer.text).items[0]);
}
const invoke = (functionName: string, zone: string) =>
  federation.request(`/v1/tenants/demo/functions/${functionName}:invoke`, {
    zone,
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json" },
  });
