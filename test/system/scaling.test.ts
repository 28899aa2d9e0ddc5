import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Value } from "typebox/value";
import { FederationStatus } from "#lib/contracts/api-status.ts";
import { type Federation, REPOSITORY, startFederation, until } from "./support/federation.ts";

const WARM = join(REPOSITORY, "test/system/functions/warm");
const ZONE = "eu-west";
let federation: Federation;
before(async () => {
  federation = await startFederation("--idle-seconds", "1");
});
after(() => federation.stop());

test("a minimum is in every cluster before the first call, answers it warm, and is replaced when it is killed", async () => {
  await deploy("warm", "--min-instances", "1");
  for (const zone of ["eu-west", "us-east", "ap-south"])
    await until(`one idle instance in ${zone}`, 30_000, () => idleIn(zone, "warm", 1));
  const first = await call("warm");
  assert.equal(first.coldStart, "false");
  process.kill(first.pid, "SIGKILL");
  const second = await until("another instance in its place", 30_000, async () => {
    await idleIn(ZONE, "warm", 1);
    const answer = await call("warm");
    return answer.pid === first.pid ? undefined : answer;
  });
  assert.notEqual(second.pid, first.pid);

  await call("extra");
  await until("the other function's instance is gone, as it was idle", 30_000, async () =>
    (await idle(ZONE, "extra")) === 0 ? true : undefined,
  );
  assert.equal(await idle(ZONE, "warm"), 1);
});

test("Knative's autoscaler is chosen by a flag, with its own knobs, and calls are answered from zero", async () => {
  await deploy("knative", "--kpa", "stableWindow=6s", "--kpa", "scaleToZeroGracePeriod=6s");
  const shown = await federation.request("/v1/tenants/demo/functions/knative/versions/1");
  assert.match(shown.text, /"scaling":\{"mode":"kpa","stableWindow":"6s"/);
  assert.equal((await call("knative")).coldStart, "true");
  assert.equal((await call("knative")).coldStart, "false");
});

test("more instances than there is room for are told in the deploy's answer and in status", async () => {
  const folder = [WARM, "--tenant", "demo", "--name", "legion", "--min-instances", "900"];
  const deployed = await federation.cli("deploy", ...folder);
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  assert.match(deployed.stdout, /asks for 900 instances.*more than there is room for in eu-west-1/);
  await until("status tells how many it has", 60_000, async () => {
    const { stdout } = await federation.cli("status");
    return /demo\/legion version 1 has \d+ of the 900 instances that it shall have in eu-west/.test(
      stdout,
    )
      ? true
      : undefined;
  });
  assert.equal((await federation.cli("delete", "legion", "--tenant", "demo")).exitCode, 0);
});

test("a scaling that contradicts itself is refused, and so is a knob that nobody has", async () => {
  const folder = [WARM, "--tenant", "demo", "--name", "never"];
  const contradiction = await federation.cli(
    "deploy",
    ...folder,
    "--min-instances",
    "3",
    "--max-instances",
    "2",
  );
  assert.notEqual(contradiction.exitCode, 0);
  assert.match(contradiction.stderr, /asks for 3 instances without a call and allows 2/);
  const unknown = await federation.cli("deploy", ...folder, "--kpa", "window=6s");
  assert.match(unknown.stderr, /stableWindow/);
  const wrong = await federation.cli("deploy", ...folder, "--kpa", "stableWindow=5s");
  assert.match(wrong.stderr, /stableWindow must be whole seconds from 6s to 3600s/);
});

async function deploy(name: string, ...flags: string[]): Promise<void> {
  const deployed = await federation.cli(
    "deploy",
    WARM,
    "--tenant",
    "demo",
    "--name",
    name,
    ...flags,
  );
  assert.equal(deployed.exitCode, 0, deployed.stderr);
}

async function call(name: string): Promise<{ readonly pid: number; readonly coldStart: string }> {
  if (name === "extra") await deploy("extra");
  const answer = await federation.request(`/v1/tenants/demo/functions/${name}:invoke`, {
    zone: ZONE,
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json" },
  });
  assert.equal(answer.status, 200, answer.text);
  const { pid } = JSON.parse(answer.text) as { readonly pid: number };
  return { pid, coldStart: answer.headers.get("meridian-cold-start") ?? "" };
}

async function idle(zone: string, functionName: string): Promise<number> {
  const { stdout } = await federation.cli("status", "--json");
  const status = Value.Parse(FederationStatus, JSON.parse(stdout));
  return status.zones
    .filter((one) => one.zone === zone)
    .flatMap(({ instances }) => instances)
    .filter((one) => one.functionName === functionName)
    .reduce((sum, one) => sum + one.idle, 0);
}

const idleIn = async (zone: string, name: string, count: number): Promise<true | undefined> =>
  (await idle(zone, name)) === count ? true : undefined;
