import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Federation, startFederation, until } from "./support/federation.ts";
import { filesHolding } from "./support/files-holding.ts";

const ZONES = ["eu-west", "us-east", "ap-south"] as const;
let federation: Federation;
before(async () => {
  federation = await startFederation();
});
after(() => federation.stop());

test("another tenant's function is as good as not there, and no key is stored in the clear", async () => {
  const foreign = await federation.request("/v1/tenants/demo/functions/hello:invoke", {
    as: "acme",
    method: "POST",
  });
  const unknown = await federation.request("/v1/tenants/demo/functions/nothing:invoke", {
    as: "acme",
    method: "POST",
  });
  assert.equal(foreign.status, 404);
  assert.equal(unknown.status, 404);
  assert.equal(
    (await federation.request("/v1/tenants/demo/functions/hello", { as: "acme" })).status,
    404,
  );
  const { tenants, operator } = await federation.credentials();
  for (const { apiKey } of [...Object.values(tenants), operator])
    assert.deepEqual(await filesHolding(federation.state, apiKey), ["credentials.json"]);
});

test("a tenant asks, cannot approve, an operator approves, and every gateway enforces the sum", async () => {
  const asked = await federation.cli(
    "quota",
    "request",
    "rate",
    "--value",
    "60",
    "--reason",
    "a small test",
    "--json",
  );
  assert.equal(asked.exitCode, 0, asked.stderr);
  const { id, state } = JSON.parse(asked.stdout) as { id: string; state: string };
  assert.equal(state, "PENDING");
  const second = await federation.cli(
    "quota",
    "request",
    "rate",
    "--value",
    "70",
    "--reason",
    "twice",
  );
  assert.notEqual(second.exitCode, 0, "one open request per quota");

  const own = await federation.request(`/v1/quota-requests/${id}:approve`, {
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json" },
  });
  assert.equal(own.status, 403, own.text);
  const foreign = await federation.request(`/v1/quota-requests/${id}`, { as: "acme" });
  assert.equal(foreign.status, 404);

  const burst = await federation.cli(
    "quota",
    "request",
    "burst",
    "--value",
    "30",
    "--reason",
    "a small test",
    "--json",
  );
  for (const request of [id, (JSON.parse(burst.stdout) as { id: string }).id]) {
    const approved = await federation.cli("quota", "approve", request);
    assert.equal(approved.exitCode, 0, approved.stderr);
  }
  const again = await federation.cli("quota", "approve", id);
  assert.notEqual(again.exitCode, 0, "a decided request stays decided");

  const audit = await federation.cli("audit", "--json");
  assert.match(audit.stdout, new RegExp(id));
  assert.match(
    audit.stdout,
    /refused/,
    "the tenant's attempt to approve stands in the audit of the zone that refused it, or of another",
  );
});

test("the rate is one limit over all gateways: never more than rate × time + burst, and its demand can move", async () => {
  const limits = { perSecond: 60, burst: 30 };
  await until("the limit is in force", 5_000, async () => {
    const quotas = await federation.request("/v1/tenants/demo/quotas");
    return quotas.text.includes('"value":60') ? true : undefined;
  });
  const seconds = 6;
  const admittedAt: number[] = [];
  let refused: { status: number; headers: Headers; text: string } | undefined;
  const endAtMs = performance.now() + seconds * 1_000;
  const offer = async (zone: string) => {
    while (performance.now() < endAtMs) {
      const answer = await federation.request("/v1/tenants/demo/functions/hello:invoke", {
        zone,
        method: "POST",
        body: "{}",
        headers: { "content-type": "application/json" },
      });
      if (answer.status === 200) admittedAt.push(performance.now());
      else refused = answer;
    }
  };
  await Promise.all(ZONES.flatMap((zone) => [offer(zone), offer(zone)]));

  assert.ok(refused !== undefined, "more was offered than allowed");
  assert.equal(refused.status, 429, refused.text);
  assert.match(refused.headers.get("retry-after") ?? "", /^\d+$/);
  assert.equal(JSON.parse(refused.text).code, "MERIDIAN_RATE_LIMITED");
  assert.ok(JSON.parse(refused.text).reason.length > 0);
  // The last answers come in a little after the window; 10 % covers that and nothing else.
  assert.ok(
    admittedAt.length <= (limits.perSecond * seconds + limits.burst) * 1.1,
    `${admittedAt.length} admitted in ${seconds} s`,
  );

  await until("most of the limit follows the demand to one gateway", 20_000, async () => {
    const startMs = performance.now();
    let admitted = 0;
    while (performance.now() - startMs < 2_000) {
      const answer = await federation.request("/v1/tenants/demo/functions/hello:invoke", {
        zone: "ap-south",
        method: "POST",
        body: "{}",
        headers: { "content-type": "application/json" },
      });
      if (answer.status === 200) admitted += 1;
    }
    return admitted / 2 >= limits.perSecond * 0.7 ? true : undefined;
  });
});
