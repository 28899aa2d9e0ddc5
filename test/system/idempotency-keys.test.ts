import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Answer, type Federation, startFederation, until } from "./support/federation.ts";

const VICTIM = "us-east";
let federation: Federation;
let folder: string;
before(async () => {
  federation = await startFederation();
  folder = await mkdtemp(join(tmpdir(), "meridian-ledger-"));
  await appendFile(join(folder, "ledger"), "");
  const deployed = await federation.cli(
    ..."deploy test/system/functions/ledger --name pay --env".split(" "),
    `LEDGER=${join(folder, "ledger")}`,
  );
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  await until("the victim serves its callers", 15_000, async () =>
    zoneOf(await pay("warm", {})) === VICTIM ? true : undefined,
  );
});
after(async () => {
  await federation.stop();
  await rm(folder, { recursive: true, force: true });
});

test("two callers with one key at the same time cause one start, and so does whoever comes later", async () => {
  const key = { "idempotency-key": "order-1" };
  const both = await Promise.all([
    pay("order-1", key, { sleepMs: 300 }),
    pay("order-1", key, { sleepMs: 300, through: "ap-south" }),
  ]);
  const later = await pay("order-1", key, { sleepMs: 300 });
  for (const { status, text } of [...both, later]) {
    assert.equal(status, 200, text);
    assert.equal(text, '{"id":"order-1"}');
  }
  const replayed = [...both, later].map(({ headers }) => headers.get("meridian-replayed"));
  assert.deepEqual(replayed.filter((word) => word === "true").length, 2);
  assert.equal(await startsOf("order-1"), 1);
  const reused = await pay("order-2", key);
  assert.equal(reused.status, 422);
  assert.match(reused.text, /MERIDIAN_KEY_REUSED/);
  assert.equal(await startsOf("order-2"), 0);
});

test("attempts of an AWS SDK are one call", async () => {
  const attempt = (number: number) => ({
    "amz-sdk-invocation-id": "3f2b8f0e-7d4c-4c1a-9a86-2f6a2f1f5b77",
    "amz-sdk-request": `attempt=${number}; max=3`,
  });
  const answers = await Promise.all([pay("sdk", attempt(1)), pay("sdk", attempt(2))]);
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  assert.equal(await startsOf("sdk"), 1);
});

test("a key that is too long is refused, and nothing runs", async () => {
  const refused = await pay("bad", { "idempotency-key": "k".repeat(256) });
  assert.equal(refused.status, 400);
  assert.match(refused.text, /visible ASCII/);
  assert.equal(await startsOf("bad"), 0);
});

test("a zone that is killed with a call: nobody runs it again, and its zone remembers what it answered before", async () => {
  const done = { "idempotency-key": "done" };
  const lost = { "idempotency-key": "lost" };
  const answered = await pay("done", done);
  assert.equal(zoneOf(answered), VICTIM);
  const running = pay("lost", lost, { sleepMs: 2_500 });
  await until("the call runs", 5_000, async () =>
    (await startsOf("lost")) === 1 ? true : undefined,
  );
  const killed = await federation.cli("zone", "kill", VICTIM);
  assert.equal(killed.exitCode, 0, killed.stderr);
  const told = await running;
  assert.equal(told.status, 502);
  assert.match(told.text, /MERIDIAN_CONNECTION_LOST/);
  const elsewhere = await pay("new", { "idempotency-key": "new" });
  assert.equal(elsewhere.status, 200);
  assert.notEqual(zoneOf(elsewhere), VICTIM);

  const started = await federation.cli("zone", "start", VICTIM);
  assert.equal(started.exitCode, 0, started.stderr);
  await until("the zone has its whole share again", 40_000, async () =>
    (await weightOf(VICTIM)) === 100 && zoneOf(await pay("warm", {})) === VICTIM ? true : undefined,
  );
  const again = await pay("lost", lost, { sleepMs: 2_500 });
  assert.equal(again.status, 502, again.text);
  assert.match(again.text, /MERIDIAN_CONNECTION_LOST/);
  assert.equal(zoneOf(again), VICTIM);
  const replayed = await pay("done", done);
  assert.equal(replayed.text, answered.text);
  assert.equal(replayed.headers.get("meridian-replayed"), "true");
  for (const id of ["lost", "done", "new"]) assert.equal(await startsOf(id), 1, id);
});

interface PayOptions {
  readonly sleepMs?: number;
  /** The zone of the gateway. */
  readonly through?: string;
}

/** A call for a caller near the victim, through a gateway elsewhere. */
const pay = (
  id: string,
  headers: Record<string, string>,
  { sleepMs = 0, through = "eu-west" }: PayOptions = {},
): Promise<Answer> =>
  federation.request(`/v1/tenants/demo/functions/pay:invoke?region=${VICTIM}`, {
    zone: through,
    method: "POST",
    body: JSON.stringify({ id, sleepMs }),
    headers: { "content-type": "application/json", ...headers },
  });

const zoneOf = ({ headers }: Answer): string | null => headers.get("meridian-zone");

async function startsOf(id: string): Promise<number> {
  const lines = (await readFile(join(folder, "ledger"), "utf8")).trim().split("\n");
  return lines.filter((line) => line.includes(`"id":"${id}"`)).length;
}

async function weightOf(zone: string): Promise<number> {
  const { text } = await federation.request("/v1/clusters", { as: "operator", zone: "ap-south" });
  const { items } = JSON.parse(text) as { items: { zone: string; weightPercent: number }[] };
  return items.find((item) => item.zone === zone)?.weightPercent ?? 0;
}
