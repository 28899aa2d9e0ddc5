import assert from "node:assert/strict";
import { test } from "node:test";
import { tableDigest } from "#lib/table-digest.ts";
import {
  follow,
  manyTenants,
  names,
  openFeed,
  record,
  settle,
  tenant,
} from "../support/feed-world.ts";

const kinds = (frames: readonly { readonly kind: string }[]) => frames.map(({ kind }) => kind);

test("a new receiver gets the overlay and the whole table, then only what changes", async (t) => {
  const { feed, write } = openFeed(t);
  write(tenant("a"));
  const gateway = follow(feed, "z.gateway");
  await settle();
  gateway.read();
  assert.deepEqual(kinds(gateway.frames), ["overlay", "rights", "full"]);
  write(tenant("b"));
  write({ kind: "delete", key: "tenants/a" });
  await settle();
  gateway.read();
  assert.deepEqual(kinds(gateway.tables()), ["full", "delta", "delta"]);
  assert.deepEqual(names(gateway.table()), ["cluster/c-1", "tenant/b"]);
  assert.equal(gateway.table()?.digest, tableDigest(gateway.table()?.entries.values() ?? []));
});

test("an agent gets no rights", async (t) => {
  const { feed, write } = openFeed(t);
  write(tenant("a"));
  const agent = follow(feed, "z.agent");
  await settle();
  agent.read();
  assert.deepEqual(kinds(agent.frames), ["overlay", "full"]);
});

test("who tells its clock is told when, by that clock, the federator looked at what it says", async (t) => {
  const { feed, advance } = openFeed(t);
  const stamp = (atMs: number, clockId = "one") => ({ clockId, atMs });
  const gateway = follow(feed, "z.gateway", { stamp: stamp(70_000) });
  const saidAt = () =>
    gateway.frames.flatMap((frame) =>
      frame.kind === "overlay" || frame.kind === "rights" ? [frame.asOfMs] : [],
    );
  await settle();
  gateway.read();
  assert.deepEqual(saidAt(), [70_000, 70_000]);
  await advance(1_000);
  gateway.read();
  assert.equal(saidAt().at(-1), 70_998);
  const ack = { receiver: "z.gateway", nonce: 1, position: null };
  feed.acknowledge({ ...ack, clock: stamp(70_999.5) });
  feed.acknowledge({ ...ack, clock: stamp(99_000_000, "of the process before") });
  await advance(1_000);
  gateway.read();
  assert.equal(saidAt().at(-1), 71_997);
});

test("what is the same for all is the same bytes for all", async (t) => {
  const { feed, write } = openFeed(t);
  write(tenant("a"));
  const receivers = ["z.agent", "z.agent.2", "z.agent.3"].map((name) => follow(feed, name));
  await settle();
  write(tenant("b"));
  await settle();
  const [first, ...others] = receivers.map(({ raw }) => raw());
  assert.match(String(first), /"delta"/);
  for (const other of others) assert.equal(other, first);
});

test("a receiver that comes back gets what it missed, and nothing when it missed nothing", async (t) => {
  const { feed, write } = openFeed(t);
  write(tenant("a"));
  const before = follow(feed, "z.agent");
  await settle();
  before.read();
  const from = before.table();
  assert.ok(from !== undefined);
  const mark = { position: from.position, digest: from.digest };

  const idle = follow(feed, "z.agent", { from: mark });
  await settle();
  idle.read();
  assert.deepEqual(idle.tables(), []);
  write(tenant("b"));
  write(tenant("c"));
  const returning = follow(feed, "z.agent.2", { from: mark });
  await settle();
  const line = returning.raw();
  assert.match(line, /"kind":"delta"/);
  assert.match(line, /tenant\/b.*tenant\/c/);
  assert.doesNotMatch(line, /tenant\/a"/);
});

test("whoever is elsewhere gets the whole table: another incarnation, another digest, too far back", async (t) => {
  const { feed, write, position } = openFeed(t);
  write(tenant("a"));
  const elsewhere = [
    { position: { incarnation: "two", revision: 9 }, digest: "" },
    { position: position(), digest: "another" },
    { position: { incarnation: "one", revision: 0 }, digest: "" },
  ];
  for (const from of elsewhere) {
    const receiver = follow(feed, "z.agent", { from });
    await settle();
    receiver.read();
    assert.deepEqual(kinds(receiver.tables()), ["full"], JSON.stringify(from.position));
  }
});

test("a receiver that is ahead of this zone's replica keeps what it has", async (t) => {
  const { feed, write } = openFeed(t);
  const from = { position: { incarnation: "one", revision: 5 }, digest: "" };
  const receiver = follow(feed, "z.agent", { from });
  for (const name of ["a", "b"]) write(tenant(name));
  await settle();
  receiver.read();
  assert.deepEqual(receiver.tables(), []);
});

test("a restored catalog is another history: everybody gets the whole table", async (t) => {
  const { feed, write, restore, advance } = openFeed(t);
  write(tenant("a"));
  const agent = follow(feed, "z.agent");
  await settle();
  agent.read();
  restore({ kind: "delete", key: "tenants/a" }, tenant("b"));
  await advance(10);
  agent.read();
  assert.deepEqual(kinds(agent.tables()), ["full", "full"]);
  assert.deepEqual(names(agent.table()), ["cluster/c-1", "tenant/b"]);
});

test("a receiver that reads nothing for 10,000 revisions costs nothing and then gets one change or the whole", async (t) => {
  const { feed, write } = openFeed(t);
  write(tenant("a"), tenant("b"));
  const slow = follow(feed, "z.agent");
  const fast = follow(feed, "z.agent.2");
  let newest = 0;
  for (let index = 0; index < 10_000; index += 1) {
    newest = write(record("quotas/b", { tenant: "b", limits: limits(index) }));
    if (index % 50 !== 0) continue;
    await settle();
    fast.read();
  }
  assert.ok(slow.stream().readableLength + slow.stream().writableLength < 16 * 1_024);
  for (let turn = 0; turn < 20; turn += 1) {
    await settle();
    slow.read();
    fast.read();
  }
  assert.equal(slow.table()?.position.revision, newest);
  assert.equal(slow.table()?.digest, fast.table()?.digest);
  assert.ok(slow.tables().length < 40, `${slow.tables().length} frames`);
});
const limits = (index: number) => ({
  "requests-per-second": 1 + index,
  burst: 1_000,
  concurrency: 100,
});

test("a receiver that reads nothing for ten seconds is cut off", async (t) => {
  const { feed, write, advance } = openFeed(t);
  const stuck = follow(feed, "z.agent");
  for (let index = 0; index < 100; index += 1) {
    write(tenant(`t-${index}`));
    await settle();
  }
  await advance(9_000);
  assert.equal(stuck.stream().destroyed, false);
  await advance(3_000);
  assert.equal(stuck.stream().destroyed, true);
  assert.deepEqual(feed.receivers(), []);
});

test("a large table comes in parts, between which a heartbeat fits", async (t) => {
  const { feed, write } = openFeed(t);
  write(...manyTenants("large", 3_000));
  const agent = follow(feed, "z.agent");
  for (let turn = 0; turn < 60; turn += 1) {
    await settle();
    agent.read();
  }
  assert.ok(kinds(agent.frames).includes("part"));
  assert.equal(agent.table()?.entries.size, 3_001);
});

test("a revision that changes nothing is told with the next heartbeat, or when somebody waits", async (t) => {
  const { feed, write, advance } = openFeed(t);
  write(tenant("a"));
  const agent = follow(feed, "z.agent");
  await advance(0);
  agent.read();
  const idle = write(record("leader", { zone: "z", sessionId: "s" }));
  await settle();
  agent.read();
  assert.deepEqual(kinds(agent.tables()), ["full"]);
  await advance(1_100);
  agent.read();
  assert.equal(agent.table()?.position.revision, idle);

  const second = write(record("leader", { zone: "y", sessionId: "s" }));
  const stop = feed.awaitAcknowledgements("everybody", () => undefined);
  await settle();
  agent.read();
  assert.deepEqual(feed.receivers()[0]?.position?.revision, second);
  stop();
});

test("a change of the overlay goes out at once, in every receiver's next frame", async (t) => {
  const { feed, overlay } = openFeed(t);
  const gateway = follow(feed, "z.gateway");
  await settle();
  gateway.read();
  overlay.set(["c-1"]);
  await settle();
  gateway.read();
  const last = gateway.frames.at(-1);
  assert.deepEqual(last?.kind === "overlay" && last.downClusters, ["c-1"]);
});

test("the heartbeat says how old the sender's own knowledge is, and since when nothing changed", async (t) => {
  const { feed, write, advance } = openFeed(t);
  const changed = write(tenant("a"));
  write(record("leader", { zone: "z", sessionId: "s" }));
  const agent = follow(feed, "z.agent");
  await advance(1_100);
  agent.read();
  const last = agent.frames.filter(({ kind }) => kind === "overlay").at(-1);
  assert.ok(last?.kind === "overlay");
  assert.equal(last.replicaAgeMs, 100);
  assert.equal(last.unchangedSince?.revision, changed);
});

test("what a receiver has, and what it turned down, can be seen, also after it came back", async (t) => {
  const { feed, write, refusals, position } = openFeed(t);
  write(tenant("a"));
  const gateway = follow(feed, "z.gateway");
  await settle();
  gateway.read();
  gateway.acknowledge();
  const accepted = position();
  assert.deepEqual(feed.receivers(), [
    { receiver: "z.gateway", isGateway: true, position: accepted, refused: null },
  ]);
  write(tenant("b"));
  const refused = { nonce: 0, position: accepted, refusedPosition: position() };
  feed.acknowledge({ receiver: "z.gateway", ...refused, refused: "it does not add up" });
  assert.equal(feed.receivers()[0]?.refused, "it does not add up");
  assert.deepEqual(feed.receivers()[0]?.position, accepted);
  assert.deepEqual(refusals, ["z.gateway: it does not add up"]);
  gateway.stream().destroy();
  await settle();
  assert.deepEqual(feed.receivers(), []);
  const again = follow(feed, "z.gateway");
  assert.equal(feed.receivers()[0]?.refused, "it does not add up");
  await settle();
  again.read();
  again.acknowledge();
  assert.equal(feed.receivers()[0]?.refused, null);
});
