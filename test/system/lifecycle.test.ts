import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePorts } from "#lib/io/free-ports.ts";
import {
  ended,
  type Federation,
  isAlive,
  isFree,
  meridian,
  startFederationAt,
  until,
} from "./support/federation.ts";

test("Ctrl-C leaves nothing running, and a second start finds its functions again", async () => {
  const state = await mkdtemp(join(tmpdir(), "meridian-lifecycle-"));
  const basePort = await freePorts(4);
  const first = await startFederationAt(state, basePort);
  assert.equal((await stat(join(state, "credentials.json"))).mode & 0o777, 0o600);
  const deployed = await first.cli("deploy", "test/system/functions/sleeper");
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  const keyBefore = (await first.credentials()).tenants["demo"]?.apiKey;
  const pids = await allPids(first);
  assert.ok(pids.length >= 12, `credentials list ${pids.length} processes`);

  first.up.kill("SIGINT");
  await ended(first.up, 20_000);
  assert.equal(first.up.exitCode, 0);
  await allGone(pids);
  assert.ok(await isFree(basePort));

  const second = await startFederationAt(state, basePort);
  assert.equal((await second.credentials()).tenants["demo"]?.apiKey, keyBefore);
  const answer = await second.request("/v1/tenants/demo/functions/sleeper:invoke", {
    method: "POST",
    body: '{"sleepMs":1}',
    headers: { "content-type": "application/json" },
  });
  assert.equal(answer.status, 200, answer.text);
  await second.stop();
});

test("kill -9 of meridian up takes everything down with it, and the next start is not hindered", async () => {
  const state = await mkdtemp(join(tmpdir(), "meridian-lifecycle-"));
  const basePort = await freePorts(4);
  const first = await startFederationAt(state, basePort);
  await first.request("/v1/tenants/demo/functions/hello:invoke", {
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json" },
  });
  const pids = await allPids(first);
  first.up.kill("SIGKILL");
  await ended(first.up, 5_000);
  await allGone(pids);
  const second = await startFederationAt(state, basePort);
  await second.stop();
});

test("a locked state and a busy port are said, and nothing is changed", async () => {
  const state = await mkdtemp(join(tmpdir(), "meridian-lifecycle-"));
  const basePort = await freePorts(8);
  const federation = await startFederationAt(state, basePort);
  const sameState = await meridian("up", "--state", state, "--port", String(basePort + 4));
  assert.equal(sameState.exitCode, 2);
  assert.match(sameState.stderr, /already|lock|in use/i);

  const otherState = join(state, "..", `${state.split("/").at(-1)}-other`);
  const samePort = await meridian("up", "--state", otherState, "--port", String(basePort));
  assert.equal(samePort.exitCode, 2);
  assert.match(samePort.stderr, new RegExp(String(basePort)));
  await assert.rejects(readdir(otherState), "a refused start makes no state folder");
  const still = await federation.request("/v1/tenants/demo/functions/hello:invoke", {
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json" },
  });
  assert.equal(still.status, 200);
  await federation.stop();
});

test("only one of the four ports being taken is enough to refuse", async () => {
  const basePort = await freePorts(4);
  const squatter = createServer().listen(basePort + 2, "127.0.0.1");
  const parent = await mkdtemp(join(tmpdir(), "meridian-lifecycle-"));
  const refused = await meridian(
    "up",
    "--state",
    join(parent, "state"),
    "--port",
    String(basePort),
  );
  squatter.close();
  assert.equal(refused.exitCode, 2);
  assert.match(refused.stderr, new RegExp(String(basePort + 2)));
  assert.deepEqual(await readdir(parent), []);
  await rm(parent, { recursive: true });
});

test("zones without a known place, and flags that make no sense, are refused with a sentence", async () => {
  for (const flags of [
    ["--zones", "atlantis"],
    ["--zones", "eu-west,eu-west"],
    ["--port", "99999"],
    ["--zones", "x=91:0:eu"],
  ]) {
    const refused = await meridian("up", ...flags);
    assert.equal(refused.exitCode, 2, flags.join(" "));
    assert.ok(refused.stderr.length > 0);
  }
});

async function allPids(federation: Federation): Promise<number[]> {
  const { zones } = await federation.credentials();
  return Object.values(zones).flatMap((zone) => zone.pids);
}

async function allGone(pids: readonly number[]): Promise<void> {
  await until(`processes ${pids.join(" ")} end`, 12_000, async () =>
    pids.some(isAlive) ? undefined : true,
  );
}
