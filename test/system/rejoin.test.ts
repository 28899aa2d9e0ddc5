import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Value } from "typebox/value";
import { FederationStatus, type ZoneStatus } from "#lib/contracts/api-status.ts";
import { type Federation, isAlive, startFederation, until } from "./support/federation.ts";

let federation: Federation;
before(async () => {
  federation = await startFederation();
  for (const name of ["keeps", "goes"]) {
    const deployed = await federation.cli(
      "deploy",
      "test/system/functions/sleeper",
      "--name",
      name,
      "--idempotent",
    );
    assert.equal(deployed.exitCode, 0, deployed.stderr);
  }
});
after(() => federation.stop());

test("a cluster that was away ends nothing for that, gets calls only with a current table, and what was deleted meanwhile is quarantined first", async () => {
  const keepsPid = await instanceNear("keeps");
  const goesPid = await instanceNear("goes");
  const agent = await runFile("ap-south", "agent");
  process.kill(agent.pid, "SIGSTOP");
  await until("the verdict is down", 20_000, async () =>
    (await apSouth()).cluster?.state === "down" ? true : undefined,
  );
  const deleted = await federation.cli("delete", "goes");
  assert.equal(deleted.exitCode, 0, deleted.stderr);
  const deletedAt = (await apSouth()).position?.revision ?? 0;

  process.kill(agent.pid, "SIGCONT");
  const atReturn = await until("it is back", 60_000, async () => {
    const status = await apSouth();
    return status.cluster?.state === "up" ? status : undefined;
  });
  const receiver = atReturn.receivers.find((one) => one.receiver === "ap-south.agent");
  assert.ok((receiver?.position?.revision ?? 0) >= deletedAt, "with a table that knows of it");
  assert.equal(atReturn.quarantined, 1);
  assert.ok(isAlive(goesPid), "nothing is ended for a table that may be wrong");
  assert.match(
    (await federation.cli("status")).stdout,
    /ap-south-1 runs 1 version that its table does not know/,
  );
  assert.equal((await call("goes")).status, 404);
  assert.equal(await instanceNear("keeps"), keepsPid, "the instance from before serves again");

  await until("the quarantined version is idle for long enough", 100_000, async () =>
    (await apSouth()).quarantined === 0 ? true : undefined,
  );
  await until("its instance has ended", 10_000, async () => (isAlive(goesPid) ? undefined : true));
});

/** The process that serves the function in ap-south, once it does. */
const instanceNear = (name: string): Promise<number> =>
  until(`${name} is served in ap-south`, 30_000, async () => {
    const { status, zone, text } = await call(name);
    return status === 200 && zone === "ap-south"
      ? (JSON.parse(text) as { pid: number }).pid
      : undefined;
  });

async function call(name: string): Promise<{ status: number; zone: string | null; text: string }> {
  const { status, headers, text } = await federation.request(
    `/v1/tenants/demo/functions/${name}:invoke?region=ap-south`,
    {
      zone: "eu-west",
      method: "POST",
      body: '{"sleepMs":1}',
      headers: { "content-type": "application/json" },
    },
  );
  return { status, zone: headers.get("meridian-zone"), text };
}

async function apSouth(): Promise<ZoneStatus> {
  const { text } = await federation.request("/v1/status", { as: "operator", zone: "eu-west" });
  const { zones } = Value.Parse(FederationStatus, JSON.parse(text));
  return zones.find(({ zone }) => zone === "ap-south") ?? assert.fail(text);
}

async function runFile(zone: string, program: string): Promise<{ pid: number }> {
  const path = join(federation.state, "run", `${zone}.${program}.json`);
  return JSON.parse(await readFile(path, "utf8")) as { pid: number };
}
