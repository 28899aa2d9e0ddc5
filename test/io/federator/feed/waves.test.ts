import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { RecordReader } from "../../../../federator/core/record-reader.ts";
import { waitForOwn } from "../../../../federator/io/feed/gateway-acks.ts";
import {
  follow,
  type FollowOptions,
  manyTenants,
  openFeed,
  record,
  tenant,
} from "../support/feed-world.ts";

/** Three gateways and an agent, all at a first table of 100 tenants. */
async function openZone(
  t: TestContext,
  options: Parameters<typeof openFeed>[1] = {},
  refuses?: FollowOptions["refuses"],
) {
  const world = openFeed(t, options);
  world.write(...manyTenants("old", 100));
  const receivers = ["z.gateway.1", "z.gateway.2", "z.gateway.3", "z.agent"].map((name) =>
    follow(world.feed, name, refuses === undefined ? {} : { refuses }),
  );
  /** Goes on in small steps, in which everybody reads. */
  const pass = async (milliseconds: number): Promise<void> => {
    for (let left = milliseconds; left >= 0; left -= 100) {
      await world.advance(Math.min(100, left));
      for (const receiver of receivers) receiver.read();
    }
  };
  await pass(1_200);
  const revisions = () => receivers.map(({ table }) => table()?.position.revision ?? 0);
  return { ...world, receivers, pass, revisions };
}

const change = manyTenants("new");
const HASH = "a".repeat(64);
const refuseWith =
  (poison: string): FollowOptions["refuses"] =>
  (frame) =>
    (frame.kind === "full" ? frame.entries : frame.upserts).some(({ key }) => key === poison)
      ? "there is poison in it"
      : undefined;
const clusterState = (receiver: Awaited<ReturnType<typeof openZone>>["receivers"][number]) => {
  const entry = receiver.table()?.entries.get("cluster/c-1");
  return entry?.kind === "cluster" ? entry.state : undefined;
};
const verdict = (state: "up" | "down") =>
  record("verdicts/c-1", {
    clusterId: "c-1",
    state,
    cause: "unplanned",
    evidence: ["y", "z"],
    decidedBy: "z",
    decidedAtMs: 1,
    flaps: 0,
  });

test("a small change goes to everybody at once", async (t) => {
  const { write, pass, revisions } = await openZone(t);
  const revision = write(tenant("x"));
  await pass(0);
  assert.deepEqual(revisions(), Array(4).fill(revision));
});

test("a large one goes to one gateway first, and to the others when it has kept it for a while", async (t) => {
  const { feed, write, pass, revisions } = await openZone(t);
  const before = revisions()[0] ?? 0;
  const revision = write(...change);
  await pass(500);
  assert.deepEqual(revisions(), [revision, before, before, before]);
  assert.deepEqual(feed.wave(), { revision, state: "proving", receiver: "z.gateway.1" });
  await pass(900);
  assert.deepEqual(revisions(), Array(4).fill(revision));
  assert.equal(feed.wave(), null);
});

test("a bad table reaches exactly one gateway, and it is visible which and why", async (t) => {
  const zone = await openZone(t, {}, refuseWith("tenant/poison"));
  const { feed, write, pass, receivers, revisions, stopped, refusals } = zone;
  const before = revisions();
  const revision = write(...change, tenant("poison"));
  await pass(20_000);
  const got = receivers.map(({ frames }) => JSON.stringify(frames).includes("poison"));
  assert.deepEqual(got, [true, false, false, false]);
  assert.deepEqual(revisions().slice(1), before.slice(1));
  const reason = "there is poison in it";
  const receiver = "z.gateway.1";
  assert.deepEqual(feed.wave(), { revision, state: "refused", receiver, reason });
  assert.equal(feed.receivers().find((one) => one.receiver === receiver)?.refused, reason);
  assert.deepEqual(stopped, [`${receiver}: ${reason}`]);
  assert.equal(zone.logged.length, 1);
  assert.match(String(zone.logged[0]), /z\.gateway\.1.*there is poison in it.*turned down/);
  assert.deepEqual(refusals, [`${receiver}: ${reason}`]);
  assert.equal(feed.standing().refused?.revision, revision);

  // Later tables have the same in them; one that has not passes a wave of its own.
  write(tenant("later"));
  await pass(3_000);
  assert.equal(feed.wave()?.state, "refused");
  assert.ok(receivers.slice(1).every(({ table }) => !table()?.entries.has("tenant/later")));
  const good = write({ kind: "delete", key: "tenants/poison" });
  await pass(4_000);
  assert.equal(feed.wave(), null);
  assert.deepEqual(revisions(), Array(4).fill(good));
});

test("verdicts go to everybody while a table is held back or was turned down", async (t) => {
  const { write, pass, receivers, revisions } = await openZone(t);
  write(verdict("up"));
  await pass(100);
  const before = revisions();
  write(...change);
  await pass(100);
  write(verdict("down"));
  await pass(100);
  assert.deepEqual(receivers.map(clusterState), Array(4).fill("down"));
  assert.deepEqual(revisions().slice(1), before.slice(1));
  await pass(2_000);
  assert.deepEqual(receivers.map(clusterState), Array(4).fill("down"));
  assert.equal(new Set(revisions()).size, 1);
});

test("revoked keys and suspended tenants are refused everywhere while a table is held back or was turned down", async (t) => {
  const zone = await openZone(t, {}, refuseWith("tenant/new-0"));
  const { feed, write, pass, receivers, revisions, position, clock } = zone;
  const key = { keyHash: HASH, prefix: "mk_old", tenant: "old-2", roles: [], createdAtMs: 1 };
  write(record(`api-keys/${HASH}`, key));
  await pass(100);
  const before = revisions();
  write(...change);
  await pass(500);
  const mayCall = () =>
    receivers.map(({ table }) => [
      table()?.entries.has(`key/${HASH}`),
      table()?.entries.get("tenant/old-1"),
    ]);
  assert.equal(feed.wave()?.state, "refused");
  assert.ok(mayCall().every(([hasKey]) => hasKey === true));

  const wait = (revision: number, isWithdrawal: boolean) =>
    waitForOwn(feed, { position }, "z", clock, {
      revision,
      timeoutMs: 1_000,
      who: "everybody",
      isWithdrawal,
    });
  const revoked = write({ kind: "delete", key: `api-keys/${HASH}` });
  const waiting = [wait(revoked, true), wait(revoked, false)];
  await pass(300);
  assert.ok(mayCall().every(([hasKey]) => hasKey === false));
  const suspended = write(tenant("old-1", { suspendedAtMs: 1 }));
  waiting.push(wait(suspended, true));
  await pass(1_500);
  for (const [, entry] of mayCall()) assert.equal(Object(entry).isSuspended, true);
  assert.deepEqual(revisions(), before);
  const names = receivers.map(({ receiver }) => receiver);
  assert.deepEqual(await Promise.all(waiting), [
    { ready: names, waiting: [] },
    { ready: [], waiting: names },
    { ready: names, waiting: [] },
  ]);
});

test("a small change that comes meanwhile passes with it", async (t) => {
  const { write, pass, revisions } = await openZone(t);
  write(...change);
  await pass(800);
  const newest = write(tenant("x"));
  await pass(600);
  assert.deepEqual(revisions(), Array(4).fill(newest));
});

test("a large one that comes meanwhile begins it anew", async (t) => {
  const { write, pass, revisions } = await openZone(t);
  const before = revisions();
  write(...change);
  await pass(800);
  const newest = write(...manyTenants("more"));
  await pass(600);
  assert.deepEqual(revisions().slice(1), before.slice(1));
  await pass(1_500);
  assert.deepEqual(revisions(), Array(4).fill(newest));
});

test("what is undone while it is held back needs no proof", async (t) => {
  const { feed, write, pass, revisions } = await openZone(t);
  write(...change);
  await pass(100);
  const undone = write(
    ...change.map(({ ...put }) => ({
      kind: "delete" as const,
      key: put.kind === "put" ? put.record.key : put.key,
    })),
  );
  await pass(1_100);
  assert.equal(feed.wave(), null);
  assert.deepEqual(revisions(), Array(4).fill(undone));
});

test("an earlier zone goes first", async (t) => {
  const { feed, write, pass, revisions, otherZones, position } = await openZone(t);
  const before = revisions();
  otherZones.push({ zone: "a", accepted: position(), refused: undefined });
  const revision = write(...change);
  await pass(5_000);
  assert.deepEqual(revisions(), before);
  assert.equal(feed.wave()?.state, "waiting for an earlier zone");
  otherZones[0] = { zone: "a", accepted: position(), refused: undefined };
  await pass(1_500);
  assert.deepEqual(revisions(), Array(4).fill(revision));
});

test("what an earlier zone turned down reaches nobody here", async (t) => {
  const { feed, write, pass, revisions, otherZones, position } = await openZone(t);
  const before = revisions();
  const accepted = position();
  otherZones.push({ zone: "a", accepted, refused: undefined });
  write(...change);
  otherZones[0] = { zone: "a", accepted, refused: position() };
  await pass(20_000);
  assert.deepEqual(revisions(), before);
  assert.equal(feed.wave()?.receiver, "a");
});

test("an entry that no receiver would take is sent to nobody", async (t) => {
  const isBroken = { value: false };
  const spoil = (records: RecordReader): RecordReader => ({
    ...records,
    quota: (name) => {
      const quota = records.quota(name);
      return isBroken.value && quota !== undefined
        ? { ...quota, limits: { ...quota.limits, burst: -1 } }
        : quota;
    },
  });
  const { feed, write, pass, receivers, revisions, stopped } = await openZone(t, { spoil });
  const before = revisions();
  const limits = { "requests-per-second": 1, burst: 10, concurrency: 1 };
  isBroken.value = true;
  const revision = write(record("quotas/old-1", { tenant: "old-1", limits }));
  await pass(3_000);
  assert.deepEqual(revisions(), before);
  assert.equal(feed.wave()?.revision, revision);
  assert.equal(feed.wave()?.receiver, "this federator");
  assert.match(String(stopped[0]), /tenant\/old-1/);
  isBroken.value = false;
  const mended = write(record("quotas/old-1", { tenant: "old-1", limits }));
  await pass(3_000);
  assert.deepEqual(revisions(), Array(4).fill(mended));
  assert.equal(receivers.length, 4);
});

test("the first table after a change of the frames' format goes to one gateway first", async (t) => {
  const world = openFeed(t, { isNewFormat: true });
  const one = follow(world.feed, "z.gateway.1");
  const two = follow(world.feed, "z.gateway.2");
  world.write(tenant("a"));
  for (let turn = 0; turn < 4; turn += 1) {
    await world.advance(100);
    one.read();
    two.read();
  }
  assert.ok(one.table() !== undefined);
  assert.equal(two.table(), undefined);
  for (let turn = 0; turn < 12; turn += 1) {
    await world.advance(100);
    one.read();
    two.read();
  }
  assert.ok(two.table() !== undefined);
});
