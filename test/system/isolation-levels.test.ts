import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Value } from "typebox/value";
import { FederationIsolation, FederationStatus } from "#lib/contracts/api-status.ts";
import { ISOLATION_LEVELS, type IsolationLevel } from "#lib/contracts/isolation.ts";
import { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import { type Federation, REPOSITORY, startFederation, until } from "./support/federation.ts";

const WARM = join(REPOSITORY, "test/system/functions/warm");
const ZONE = "eu-west";
let federation: Federation;
/** What this machine allows, the same for all clusters on it. */
let proved: IsolationLevel;
before(async () => {
  federation = await startFederation();
  proved = await until("every cluster's level is in force", 60_000, levelOfAll);
});
after(() => federation.stop());

test("each cluster tells what it has proved, and status says the same", async () => {
  const { items, silentZones } = await isolation();
  assert.deepEqual(silentZones, []);
  for (const { report } of items) {
    assert.equal(report?.level, proved);
    for (const { level, holds, name } of report.checks)
      assert.ok(holds || level > proved, `${name} does not hold, and ${proved} needs it`);
  }
  const { stdout } = await federation.cli("isolation", "--zone", ZONE);
  assert.match(stdout, new RegExp(`eu-west-1 \\(eu-west\\) has proved ${proved}, `));
  assert.doesNotMatch(stdout, /us-east/);
});

test("a zone that there is not is told so", async () => {
  const { exitCode, stderr } = await federation.cli("isolation", "--zone", "atlantis");
  assert.equal(exitCode, 2);
  assert.match(stderr, /there is no zone "atlantis"; there are eu-west, us-east, ap-south/);
});

test("a deploy that asks for more than any cluster has proved is refused and names them", async () => {
  const { exitCode, stderr } = await deploy("caged", "L5");
  assert.notEqual(exitCode, 0);
  assert.match(stderr, new RegExp(`asks for L5.*eu-west-1 has proved ${proved}`));
  assert.match(stderr, /MERIDIAN_ISOLATION_UNPROVED/);
});

test("what is proved can be asked for, is served, and goes on when an agent is killed", async () => {
  const { exitCode, stderr } = await deploy("guarded", proved);
  assert.equal(exitCode, 0, stderr);
  assert.equal((await call("guarded")).zone, ZONE);
  process.kill(await agentPid(), "SIGKILL");
  for (let number = 0; number < 20; number += 1) assert.equal((await call("guarded")).status, 200);
  await until("its own zone serves it again", 60_000, async () =>
    (await call("guarded")).zone === ZONE ? true : undefined,
  );
});

async function isolation(): Promise<FederationIsolation> {
  const { stdout } = await federation.cli("isolation", "--json");
  return Value.Parse(FederationIsolation, JSON.parse(stdout));
}

/** The level that status shows for every cluster, once it is that of its agent's report. */
async function levelOfAll(): Promise<IsolationLevel | undefined> {
  const { items } = await isolation();
  const { stdout } = await federation.cli("status", "--json");
  const { zones } = Value.Parse(FederationStatus, JSON.parse(stdout));
  const [level, ...others] = new Set([
    ...items.map(({ report }) => report?.level),
    ...zones.map(({ cluster }) => cluster?.isolationLevel),
  ]);
  return others.length === 0 ? ISOLATION_LEVELS.find((one) => one === level) : undefined;
}

const deploy = (name: string, level: IsolationLevel) =>
  federation.cli("deploy", WARM, "--tenant", "demo", "--name", name, "--min-isolation", level);

async function call(name: string): Promise<{ readonly status: number; readonly zone: string }> {
  const { status, headers } = await federation.request(
    `/v1/tenants/demo/functions/${name}:invoke`,
    {
      zone: ZONE,
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    },
  );
  return { status, zone: headers.get("meridian-zone") ?? "" };
}

async function agentPid(): Promise<number> {
  const text = await readFile(join(federation.state, "run", `${ZONE}.agent.json`), "utf8");
  return Value.Parse(RunEndpoint, JSON.parse(text)).pid;
}
