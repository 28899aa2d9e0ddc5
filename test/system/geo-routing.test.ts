import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Federation, startFederation, until } from "./support/federation.ts";

let federation: Federation;
before(async () => {
  federation = await startFederation("--trusted-proxies", "127.0.0.1/32");
});
after(() => federation.stop());

const servedBy = async (path: string, headers: Record<string, string> = {}) => {
  const answer = await federation.request(`/v1/tenants/demo/functions/${path}`, {
    zone: "eu-west",
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json", ...headers },
  });
  return { status: answer.status, zone: answer.headers.get("meridian-zone"), text: answer.text };
};

test("a named region wins, then the caller's address, then the gateway's own zone; an unknown region is refused", async () => {
  assert.equal((await servedBy("hello:invoke")).zone, "eu-west");
  assert.equal((await servedBy("hello:invoke?region=ap-south")).zone, "ap-south");
  assert.equal((await servedBy("hello:invoke", { "meridian-region": "us-east" })).zone, "us-east");
  // 49.36.0.0/14 is registered in India, 8.8.8.8 in the United States, 193.0.6.139 in the Netherlands.
  assert.equal(
    (await servedBy("hello:invoke", { "x-forwarded-for": "49.36.0.1" })).zone,
    "ap-south",
  );
  assert.equal(
    (await servedBy("hello:invoke", { "x-forwarded-for": "1.2.3.4, 8.8.8.8" })).zone,
    "us-east",
    "the rightmost hop that is not trusted",
  );
  assert.equal(
    (await servedBy("hello:invoke?region=ap-south", { "x-forwarded-for": "8.8.8.8" })).zone,
    "ap-south",
  );
  const unknown = await servedBy("hello:invoke?region=atlantis");
  assert.equal(unknown.status, 400);
  assert.equal(JSON.parse(unknown.text).code, "MERIDIAN_REGION_UNKNOWN");
});

test("route explain says what the router does, with distances and reasons", async () => {
  const explained = await federation.cli(
    "route",
    "explain",
    "hello",
    "--ip",
    "49.36.0.1",
    "--json",
  );
  assert.equal(explained.exitCode, 0, explained.stderr);
  const explanation = JSON.parse(explained.stdout) as {
    chosen: string;
    origin: { source: string };
    candidates: unknown[];
  };
  assert.equal(explanation.chosen, "ap-south-1");
  assert.equal(explanation.origin.source, "address");
  assert.equal(explanation.candidates.length, 3);
});

test("a function bound to a jurisdiction never leaves it, and fails closed when its zone is gone", async () => {
  const deployed = await federation.cli(
    "deploy",
    "test/system/functions/sleeper",
    "--name",
    "resident",
    "--region",
    "us",
  );
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  const json = {
    method: "POST",
    body: '{"sleepMs":1}',
    headers: { "content-type": "application/json" },
  };
  for (const zone of ["eu-west", "us-east", "ap-south"]) {
    const answer = await federation.request("/v1/tenants/demo/functions/resident:invoke", {
      ...json,
      zone,
    });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers.get("meridian-zone"), "us-east");
  }
  const nowhere = await federation.cli(
    "deploy",
    "test/system/functions/sleeper",
    "--name",
    "nowhere",
    "--region",
    "mars",
  );
  assert.notEqual(nowhere.exitCode, 0);

  assert.equal((await federation.cli("zone", "kill", "us-east")).exitCode, 0);
  const refused = await until("the refusal names residency", 10_000, async () => {
    const answer = await federation.request("/v1/tenants/demo/functions/resident:invoke", {
      ...json,
      zone: "eu-west",
    });
    assert.notEqual(answer.status, 200, "it ran outside its jurisdiction");
    return answer.text.includes("MERIDIAN_RESIDENCY_UNAVAILABLE") ? answer : undefined;
  });
  assert.equal(refused.status, 503);
  assert.equal((await federation.cli("zone", "start", "us-east")).exitCode, 0);
  await until("it answers again", 25_000, async () =>
    (
      await federation.request("/v1/tenants/demo/functions/resident:invoke", {
        ...json,
        zone: "eu-west",
      })
    ).status === 200
      ? true
      : undefined,
  );
});
