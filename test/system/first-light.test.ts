import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  type Federation,
  isAlive,
  REPOSITORY,
  startFederation,
  until,
} from "./support/federation.ts";

const ZONES = ["eu-west", "us-east", "ap-south"] as const;
let federation: Federation;
before(async () => {
  federation = await startFederation("--idle-seconds", "3");
});
after(() => federation.stop());

test("the example answers at once, on the one address and on every gateway, and says where", async () => {
  for (const zone of [undefined, ...ZONES]) {
    const answer = await federation.request("/v1/tenants/demo/functions/hello:invoke", {
      method: "POST",
      body: '{"name":"Ada"}',
      headers: { "content-type": "application/json" },
      ...(zone === undefined ? {} : { zone }),
    });
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.text, /Ada/);
    const servedBy = answer.headers.get("meridian-zone") ?? "";
    assert.ok(
      ZONES.some((name) => name === servedBy),
      `Meridian-Zone is ${servedBy}`,
    );
    if (zone !== undefined)
      assert.equal(servedBy, zone, "the gateway's own zone is the nearest to an unknown caller");
    assert.equal(answer.headers.get("meridian-cluster"), `${servedBy}-1`);
    assert.equal(answer.headers.get("meridian-version"), "1");
    assert.equal(answer.headers.get("meridian-attempts"), "1");
    assert.match(answer.headers.get("meridian-cold-start") ?? "", /^(true|false)$/);
    assert.match(answer.headers.get("x-request-id") ?? "", /./);
  }
});

test("a deployed function answers from every zone as soon as deploy returns, through both doors and the CLI", async () => {
  const deployed = await federation.cli(
    "deploy",
    join(REPOSITORY, "examples/render-markdown"),
    "--tenant",
    "demo",
  );
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  const readme = await readFile(join(REPOSITORY, "README.md"), "utf8");
  for (const zone of ZONES) {
    const native = await federation.request("/v1/tenants/demo/functions/render-markdown:invoke", {
      zone,
      method: "POST",
      body: readme,
      headers: { "content-type": "text/markdown" },
    });
    assert.equal(native.status, 200, native.text);
    assert.match(native.headers.get("content-type") ?? "", /text\/html/);
    assert.match(native.text, /<h1[^>]*>Meridian<\/h1>/);
    const trigger = await federation.request("/fn/demo/render-markdown/any/path", {
      zone,
      method: "POST",
      body: "# Hi *there*",
    });
    assert.equal(trigger.status, 200, trigger.text);
    assert.match(trigger.text, /<h1[^>]*>Hi <em>there<\/em><\/h1>/);
  }
  const invoked = await federation.cli(
    "invoke",
    "render-markdown",
    "--file",
    join(REPOSITORY, "README.md"),
  );
  assert.equal(invoked.exitCode, 0, invoked.stderr);
  assert.match(invoked.stdout, /<h1[^>]*>Meridian<\/h1>/);
});

test("redeploying makes the next version, rollback goes back in one step, list and status and logs tell of it", async () => {
  const again = await federation.cli(
    "deploy",
    join(REPOSITORY, "examples/render-markdown"),
    "--tenant",
    "demo",
    "--json",
  );
  assert.equal(again.exitCode, 0, again.stderr);
  assert.equal(await servedVersion(), "2");

  const back = await federation.cli("rollback", "render-markdown");
  assert.equal(back.exitCode, 0, back.stderr);
  assert.equal(await servedVersion(), "1");
  const forth = await federation.cli("rollback", "render-markdown", "--to", "2");
  assert.equal(forth.exitCode, 0, forth.stderr);
  assert.equal(await servedVersion(), "2");
  const nowhere = await federation.cli("rollback", "render-markdown", "--to", "9");
  assert.notEqual(nowhere.exitCode, 0);

  const listed = await federation.cli("list", "--json");
  assert.match(listed.stdout, /render-markdown/);
  const status = await federation.cli("status", "--json");
  assert.equal(status.exitCode, 0, status.stderr);
  for (const zone of ZONES) assert.match(status.stdout, new RegExp(zone));
});

test("a Python function works the same, and its output is found by request id", async () => {
  const deployed = await federation.cli(
    "deploy",
    join(REPOSITORY, "examples/hello-python"),
    "--tenant",
    "demo",
  );
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  const answer = await federation.request("/v1/tenants/demo/functions/hello-python:invoke", {
    method: "POST",
    body: '{"name":"Grace"}',
    headers: { "content-type": "application/json", "x-request-id": "find-me-42" },
  });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers.get("x-request-id"), "find-me-42");
  assert.match(answer.text, /Grace/);
  const logs = await federation.cli("logs", "hello-python", "--request", "find-me-42", "--json");
  assert.equal(logs.exitCode, 0, logs.stderr);
  assert.match(logs.stdout, /find-me-42/);
});

test("a deleted function is gone from every gateway", async () => {
  const deleted = await federation.cli("delete", "hello-python");
  assert.equal(deleted.exitCode, 0, deleted.stderr);
  for (const zone of ZONES) {
    const answer = await federation.request("/v1/tenants/demo/functions/hello-python:invoke", {
      zone,
      method: "POST",
      body: "",
    });
    assert.equal(answer.status, 404);
    assert.equal(JSON.parse(answer.text).code, "MERIDIAN_FUNCTION_NOT_FOUND");
  }
});

test("more callers get more instances, and idle ones are given back", async () => {
  const deployed = await federation.cli(
    "deploy",
    join(REPOSITORY, "test/system/functions/sleeper"),
    "--tenant",
    "demo",
  );
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  const calls = await Promise.all(
    Array.from({ length: 8 }, () =>
      federation.request("/v1/tenants/demo/functions/sleeper:invoke", {
        zone: "eu-west",
        method: "POST",
        body: '{"sleepMs":700}',
        headers: { "content-type": "application/json" },
      }),
    ),
  );
  const pids = new Set(calls.map((call) => JSON.parse(call.text).pid as number));
  assert.ok(pids.size >= 4, `8 calls at once ran in ${pids.size} instances`);
  assert.ok([...pids].every(isAlive));
  const listed = new Set((await federation.credentials()).zones["eu-west"]?.pids);
  assert.deepEqual(
    [...pids].filter((pid) => !listed.has(pid)),
    [],
    "credentials.json lists every instance",
  );
  await until("every idle instance is reaped", 20_000, async () =>
    [...pids].some(isAlive) ? undefined : true,
  );
});

async function servedVersion(): Promise<string | null> {
  const answer = await federation.request("/v1/tenants/demo/functions/render-markdown:invoke", {
    method: "POST",
    body: "# x",
  });
  assert.equal(answer.status, 200, answer.text);
  return answer.headers.get("meridian-version");
}
