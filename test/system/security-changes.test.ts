import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readEndpoints } from "#lib/io/run-directory.ts";
import { type Federation, startFederation, until } from "./support/federation.ts";

const ZONES = ["eu-west", "us-east", "ap-south"] as const;
const INVOKE = "/v1/tenants/demo/functions/hello:invoke";
/** An answer waits for five seconds, and the federators of other zones a little longer for theirs. */
const BOUND_MS = 15_000;

let federation: Federation;
before(async () => {
  federation = await startFederation();
});
after(() => federation.stop());

interface Enforced {
  readonly ready: readonly string[];
  readonly waiting: readonly string[];
}
const everybody = ZONES.flatMap((zone) => [`${zone}.agent`, `${zone}.gateway`]).toSorted();
const sorted = ({ ready, waiting }: Enforced): Enforced => ({
  ready: ready.toSorted(),
  waiting: waiting.toSorted(),
});

async function run<T>(...argv: string[]): Promise<T> {
  const { exitCode, stdout, stderr } = await federation.cli(...argv, "--json");
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(stdout) as T;
}
const createKey = async () => {
  const { key, apiKey } = await run<{ key: { id: string }; apiKey: string }>("key", "create");
  return { id: key.id, headers: { authorization: `Bearer ${apiKey}` } };
};
const invokeWith = (zone: string, headers: Record<string, string>) =>
  federation.request(INVOKE, {
    zone,
    method: "POST",
    body: "{}",
    as: null,
    headers: { ...headers, "content-type": "application/json" },
  });
const statuses = (headers: Record<string, string>) =>
  Promise.all(ZONES.map(async (zone) => (await invokeWith(zone, headers)).status));
async function pidOf(program: string, zone: string): Promise<number> {
  const endpoints = await readEndpoints(join(federation.state, "run"));
  const found = endpoints.find((one) => one.program === program && one.zone === zone);
  return found?.pid ?? assert.fail(`no ${program} of ${zone}`);
}

test("a key works in every zone when it is made, and in none when its revocation is answered", async () => {
  const { id, headers } = await createKey();
  assert.deepEqual(await statuses(headers), [200, 200, 200]);
  const revoked = await run<Enforced>("key", "revoke", id);
  assert.deepEqual(sorted(revoked), { ready: everybody, waiting: [] });
  assert.deepEqual(await statuses(headers), [401, 401, 401]);
  const listed = await run<{ items: { id: string }[] }>("key", "list");
  assert.ok(!listed.items.some((one) => one.id === id));
});

test("a suspended tenant is refused in every zone when that is answered, its neighbour is not, and resumed it is back", async () => {
  const { id, headers } = await createKey();
  const suspended = await run<{ enforced: Enforced }>("tenant", "suspend", "demo");
  assert.deepEqual(sorted(suspended.enforced), { ready: everybody, waiting: [] });
  for (const zone of ZONES) {
    const answer = await invokeWith(zone, headers);
    assert.equal(answer.status, 403);
    assert.equal(JSON.parse(answer.text).code, "MERIDIAN_TENANT_SUSPENDED");
  }
  const neighbour = await federation.request("/v1/tenants/acme/functions", { as: "acme" });
  assert.equal(neighbour.status, 200);
  await run("tenant", "resume", "demo");
  assert.deepEqual(await statuses(headers), [200, 200, 200]);
  await run("key", "revoke", id);
});

test("a placement that is narrowed is in force everywhere when that is answered", async () => {
  const deployed = await run<{ gateways: Enforced }>("placement", "hello", "--region", "us-east");
  assert.deepEqual(sorted(deployed.gateways), { ready: everybody, waiting: [] });
  for (const zone of ZONES) {
    const answer = await federation.request(INVOKE, { zone, method: "POST", body: "{}" });
    assert.equal(answer.headers.get("meridian-zone"), "us-east", answer.text);
  }
  await run("placement", "hello", "--anywhere");
});

test("who stands still is named within the bound, and refuses as soon as it goes on", async () => {
  const { id, headers } = await createKey();
  const frozen = [await pidOf("federator", "ap-south"), await pidOf("agent", "us-east")];
  for (const pid of frozen) process.kill(pid, "SIGSTOP");
  try {
    const startedAtMs = performance.now();
    const revoked = await run<Enforced>("key", "revoke", id);
    assert.ok(performance.now() - startedAtMs < BOUND_MS);
    const waiting = ["ap-south.agent", "ap-south.gateway", "us-east.agent"];
    assert.deepEqual(sorted(revoked), {
      ready: everybody.filter((name) => !waiting.includes(name)),
      waiting,
    });
    // A gateway that nobody can tell serves from the last table it was given.
    assert.deepEqual(await statuses(headers), [401, 401, 200]);
  } finally {
    for (const pid of frozen) process.kill(pid, "SIGCONT");
  }
  await until("the last gateway refuses the key, too", BOUND_MS, async () =>
    (await invokeWith("ap-south", headers)).status === 401 ? true : undefined,
  );
});

test("a frozen gateway never serves a revoked key again", async () => {
  const { id, headers } = await createKey();
  const pid = await pidOf("gateway", "eu-west");
  process.kill(pid, "SIGSTOP");
  const path = `/v1/tenants/demo/keys/${id}`;
  const answer = await federation.request(path, { zone: "us-east", method: "DELETE" });
  assert.equal(answer.status, 200, answer.text);
  const revoked = JSON.parse(answer.text) as Enforced;
  const isReady = revoked.ready.includes("eu-west.gateway");
  assert.equal(revoked.waiting.includes("eu-west.gateway"), !isReady);
  // It was withdrawn meanwhile, and the one in its place starts from the table of before.
  await until("the gateway of eu-west refuses the key", BOUND_MS, async () => {
    const { status } = await invokeWith("eu-west", headers);
    assert.ok(!isReady || status === 401, `${status} from one that has acknowledged`);
    return status === 401 ? true : undefined;
  });
});
