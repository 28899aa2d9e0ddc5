import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test, type TestContext } from "node:test";
import { Value } from "typebox/value";
import { type DeltaFrame, FeedFrame, type FullFrame } from "#lib/contracts/feed.ts";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { latestValue } from "#lib/latest-value.ts";
import { applyFrame, type RouteTable } from "#lib/route-table-state.ts";
import type { Change } from "#lib/ports/catalog.ts";
import { recordView } from "../../../federator/core/record-view.ts";
import { type Feed, startFeed } from "../../../federator/io/feed.ts";
import { rightsLedger } from "../../../federator/io/rights.ts";
import { routeCompiler } from "../../../federator/io/route-compiler.ts";
import { typedRecords } from "../../../federator/io/typed-records.ts";
import type { AppliedRevision } from "../../../federator/ports.ts";

/** A feed over records that the test writes. */
function open(t: TestContext) {
  const view = recordView([]);
  const listeners = new Set<(applied: AppliedRevision) => void>();
  let revision = 1;
  const position = () => ({ incarnation: "one", revision });
  const replica = {
    position,
    keys: view.keys,
    onApplied: (listener: (applied: AppliedRevision) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const overlay = latestValue<readonly string[]>([]);
  const refusals: string[] = [];
  const feed = startFeed({
    compiler: routeCompiler(replica, typedRecords(view), ["c-1"]),
    overlay,
    rights: rightsLedger(
      systemClock,
      () => 0,
      () => true,
    ),
    clock: systemClock,
    onRefused: (receiver, reason) => refusals.push(`${receiver}: ${reason}`),
  });
  t.after(feed.close);
  const write = (...changes: readonly Change[]) => {
    revision += 1;
    view.apply(changes);
    for (const listener of listeners)
      listener({ position: position(), changes, isSnapshot: false });
    return revision;
  };
  return { feed, write, overlay, refusals, position };
}

const tenant = (name: string): Change => ({
  kind: "put",
  record: {
    key: `tenants/${name}`,
    value: JSON.stringify({ name, createdAtMs: 1 }),
    createRevision: 1,
    modRevision: 1,
    leaseId: null,
  },
});

/** Follows the feed as a gateway does, checking every frame; `paused` leaves the bytes where they are. */
function follow(feed: Feed, receiver: string, from: RouteTable | null = null) {
  const stream = new PassThrough({ highWaterMark: 4_096 });
  const frames: FeedFrame[] = [];
  let table: RouteTable | undefined = from ?? undefined;
  let rest = "";
  const read = (): void => {
    for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read())
      rest += chunk.toString();
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const frame: unknown = JSON.parse(line);
      assert.ok(Value.Check(FeedFrame, frame), line);
      frames.push(frame);
      if (frame.kind !== "full" && frame.kind !== "delta") continue;
      const applied = applyFrame(table, frame);
      assert.ok(applied.kind === "applied", JSON.stringify(applied));
      table = applied.table;
    }
  };
  feed.attach(receiver, from, stream);
  const tables = () =>
    frames.filter((frame): frame is FullFrame | DeltaFrame =>
      ["full", "delta"].includes(frame.kind),
    );
  return { stream, frames, read, tables, table: () => table };
}
/** Lets the streams do what they have to do. */
const settle = () => new Promise((resolve) => setImmediate(resolve));
const names = (table: RouteTable | undefined): string[] => [...(table?.entries.keys() ?? [])];

test("a new receiver gets the overlay and the whole table, then only what changes", async (t) => {
  const { feed, write } = open(t);
  write(tenant("a"));
  const gateway = follow(feed, "z.gateway");
  await settle();
  gateway.read();
  assert.deepEqual(
    gateway.frames.map(({ kind }) => kind),
    ["overlay", "rights", "full"],
  );
  write(tenant("b"));
  write({ kind: "delete", key: "tenants/a" });
  await settle();
  gateway.read();
  assert.deepEqual(
    gateway.tables().map(({ kind }) => kind),
    ["full", "delta", "delta"],
  );
  assert.deepEqual(names(gateway.table()), ["cluster/c-1", "tenant/b"]);
});

test("an agent gets no rights", async (t) => {
  const { feed } = open(t);
  const agent = follow(feed, "z.agent");
  await settle();
  agent.read();
  assert.deepEqual(
    agent.frames.map(({ kind }) => kind),
    ["overlay", "full"],
  );
});

test("a receiver that comes back gets what it missed, and nothing when it missed nothing", async (t) => {
  const { feed, write } = open(t);
  write(tenant("a"));
  const before = follow(feed, "z.agent");
  await settle();
  before.read();
  const table = before.table();
  assert.ok(table !== undefined);

  const idle = follow(feed, "z.agent", table);
  await settle();
  idle.read();
  assert.deepEqual(idle.tables(), []);
  write(tenant("b"));
  write(tenant("c"));
  const returning = follow(feed, "z.agent", table);
  await settle();
  returning.read();
  assert.deepEqual(
    returning.tables().map(({ kind }) => kind),
    ["delta"],
  );
  assert.deepEqual(names(returning.table()), ["cluster/c-1", "tenant/a", "tenant/b", "tenant/c"]);
});

test("whoever is elsewhere gets the whole table: another incarnation, another digest, too far back", async (t) => {
  const { feed, write, position } = open(t);
  write(tenant("a"));
  const entries = new Map<string, RouteEntry>();
  const elsewhere = [
    { position: { incarnation: "two", revision: 9 }, digest: "", entries },
    { position: position(), digest: "another", entries },
    { position: { incarnation: "one", revision: 0 }, digest: "", entries },
  ];
  for (const from of elsewhere) {
    const receiver = follow(feed, "z.agent", from);
    await settle();
    receiver.read();
    assert.deepEqual(
      receiver.tables().map(({ kind }) => kind),
      ["full"],
      JSON.stringify(from.position),
    );
  }
});

test("a receiver that is ahead of this zone's replica keeps what it has", async (t) => {
  const { feed, write } = open(t);
  const ahead = {
    position: { incarnation: "one", revision: 5 },
    digest: "",
    entries: new Map<string, RouteEntry>(),
  };
  const receiver = follow(feed, "z.agent", ahead);
  for (const name of ["a", "b"]) write(tenant(name));
  await settle();
  receiver.read();
  assert.deepEqual(receiver.tables(), []);
});

test("a slow receiver is sent the newest state, not everything in between", async (t) => {
  const { feed, write } = open(t);
  const slow = follow(feed, "z.agent");
  const fast = follow(feed, "y.agent");
  let newest = 0;
  for (let index = 0; index < 200; index += 1) {
    newest = write(tenant(`t-${index}`));
    await settle();
    fast.read();
  }
  assert.ok(slow.stream.readableLength + slow.stream.writableLength < 16 * 1_024);
  for (let turn = 0; turn < 20; turn += 1) {
    await settle();
    slow.read();
  }
  assert.equal(slow.table()?.position.revision, newest);
  assert.equal(slow.table()?.digest, fast.table()?.digest);
  assert.ok(slow.tables().length < 60, `${slow.tables().length} frames`);
});

test("a change of the overlay goes out at once, in every receiver's next frame", async (t) => {
  const { feed, overlay } = open(t);
  const gateway = follow(feed, "z.gateway");
  await settle();
  gateway.read();
  overlay.set(["c-1"]);
  await settle();
  gateway.read();
  const last = gateway.frames.at(-1);
  assert.deepEqual(last?.kind === "overlay" && last.downClusters, ["c-1"]);
});

test("what a receiver has, and what it turned down, can be seen", async (t) => {
  const { feed, write, refusals, position } = open(t);
  const gateway = follow(feed, "z.gateway");
  await settle();
  gateway.read();
  const last = gateway.tables().at(-1);
  feed.acknowledge({ receiver: "z.gateway", nonce: last?.nonce ?? 0, position: position() });
  const accepted = position();
  assert.deepEqual(feed.receivers(), [
    { receiver: "z.gateway", isGateway: true, position: accepted, refused: null },
  ]);
  write(tenant("a"));
  const ack = { receiver: "z.gateway", nonce: last?.nonce ?? 0, position: accepted };
  feed.acknowledge({ ...ack, refused: "it does not add up" });
  assert.equal(feed.receivers()[0]?.refused, "it does not add up");
  assert.deepEqual(feed.receivers()[0]?.position, accepted);
  assert.deepEqual(refusals, ["z.gateway: it does not add up"]);
  gateway.stream.destroy();
  await settle();
  assert.deepEqual(feed.receivers(), []);
});
