import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { pino } from "pino";
import { Value } from "typebox/value";
import { readClockStamp } from "#lib/clock-stamp.ts";
import { CLOCK_HEADER, ClockStamp, type FeedFrame } from "#lib/contracts/feed.ts";
import type { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import { type FeedFollower, followFeed } from "#lib/io/follow-feed.ts";
import { internalClient } from "#lib/io/internal-client.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { encodeEntry, tableDigest } from "#lib/table-digest.ts";

const entries: RouteEntry[] = [
  { kind: "cluster", clusterId: "eu-west-1", state: "up", weightPercent: 100 },
];
const full = (revision: number): FeedFrame => ({
  kind: "full",
  nonce: revision,
  position: { incarnation: "one", revision },
  entries: entries.map(encodeEntry),
  digest: tableDigest(entries),
});

test("a table is applied, acknowledged and kept for a start without a federator", async (t) => {
  const federator = await startFederator(t);
  const follower = await startFollower(t, federator);
  federator.send(full(3));
  await follower.reaches(3);
  const { clock: _, ...ack } = await federator.nextAck();
  assert.deepEqual(ack, {
    receiver: "gateway-1",
    nonce: 3,
    position: { incarnation: "one", revision: 3 },
  });
  await follower.feed.close();

  federator.hide();
  const again = await startFollower(t, federator, follower.tableFile);
  assert.equal(again.feed.table.get()?.position.revision, 3);
});

test("who listens is told of the changes of each table, before it is in force, until it stops listening", async (t) => {
  const federator = await startFederator(t);
  const follower = await startFollower(t, federator);
  const told: (readonly [readonly string[], number | undefined])[] = [];
  const stop = follower.feed.onChanges((changes) =>
    told.push([changes.map(({ key }) => key), follower.feed.table.get()?.position.revision]),
  );
  federator.send(full(3));
  await follower.reaches(3);
  federator.send(full(4));
  await follower.reaches(4);
  stop();
  federator.send(full(5));
  await follower.reaches(5);
  assert.deepEqual(told, [
    [["cluster/eu-west-1"], undefined],
    [[], 3],
  ]);
});

test("a frame that does not add up is refused and a full table asked for", async (t) => {
  const federator = await startFederator(t);
  const follower = await startFollower(t, federator);
  federator.send(full(3));
  await follower.reaches(3);
  await federator.nextAck();
  federator.send({
    kind: "delta",
    nonce: 4,
    from: { incarnation: "one", revision: 3 },
    position: { incarnation: "one", revision: 4 },
    upserts: [],
    removed: [],
    digest: "wrong",
  });
  const ack = await federator.nextAck();
  assert.match(String(ack["refused"]), /digest/);
  assert.equal(follower.feed.table.get()?.position.revision, 3);
  assert.ok(!(await federator.nextConnection()).includes("digest="));
  federator.send(full(4));
  await follower.reaches(4);
});

test("what is revoked ahead of the table is acknowledged apart from it, and only where the frame speaks of it", async (t) => {
  const federator = await startFederator(t);
  const follower = await startFollower(t, federator);
  federator.send(full(3));
  await follower.reaches(3);
  await federator.nextAck();
  const urgent = { kind: "urgent", entries: entries.map(encodeEntry) } as const;
  federator.send({ ...urgent, position: { incarnation: "one", revision: 5 }, removed: [] });
  const ack = await federator.nextAck();
  assert.deepEqual(ack["position"], { incarnation: "one", revision: 3 });
  assert.deepEqual(ack["withdrawnPosition"], { incarnation: "one", revision: 5 });
  federator.send({ ...urgent, position: { incarnation: "one", revision: 6 } });
  assert.equal((await federator.nextAck())["withdrawnPosition"], undefined);
});

test("rights are in force before they are acknowledged", async (t) => {
  const federator = await startFederator(t);
  const follower = await startFollower(t, federator);
  const tenants = [{ tenant: "demo", floorMillionths: 1, leaseMillionths: 2 }];
  federator.send({ kind: "rights", nonce: 7, leaseValidMs: 9_000, tenants });
  assert.equal((await federator.nextAck())["nonce"], 7);
  assert.deepEqual(follower.rights, [tenants]);
});

test("a lease counts from when the federator spoke of it, however late that is read", async (t) => {
  const federator = await startFederator(t);
  const follower = await startFollower(t, federator);
  const nowMs = systemClock.nowMs();
  const tenants = [{ tenant: "demo", floorMillionths: 1, leaseMillionths: 2 }];
  const frame = { kind: "rights", leaseValidMs: 9_000, tenants } as const;
  federator.send({ ...frame, nonce: 7, asOfMs: nowMs - 30_000 });
  await federator.nextAck();
  assert.equal(follower.leaseEndsMs(), nowMs - 21_000);
  // Nobody speaks of what is yet to come.
  federator.send({ ...frame, nonce: 8, asOfMs: nowMs + 3_600_000 });
  await federator.nextAck();
  assert.ok(follower.leaseEndsMs() <= systemClock.nowMs() + 9_000);
});

test("that a table is the newest counts from when the federator knew it, however late that is read", async (t) => {
  const federator = await startFederator(t);
  const follower = await startFollower(t, federator);
  federator.send(full(3));
  await follower.reaches(3);
  const nowMs = systemClock.nowMs();
  const unchangedSince = { incarnation: "one", revision: 3 };
  const told = { downClusters: [], validMs: 3_000, replicaAgeMs: 100, unchangedSince };
  federator.send({ kind: "overlay", ...told, asOfMs: nowMs - 30_000 });
  federator.send({ kind: "rights", nonce: 7, leaseValidMs: 0, tenants: [] });
  while ((await federator.nextAck())["nonce"] !== 7);
  assert.equal(follower.feed.confirmedAtMs(), nowMs - 30_100);
});

test("the federator is told the clock by which this process counts, when it is asked and with each acknowledgement", async (t) => {
  const federator = await startFederator(t);
  const startedAtMs = systemClock.nowMs();
  await startFollower(t, federator);
  federator.send(full(3));
  const { clock } = await federator.nextAck();
  assert.ok(Value.Check(ClockStamp, clock));
  const asked = readClockStamp(federator.clockHeader());
  assert.ok(asked !== undefined && asked.clockId === clock.clockId);
  assert.ok(startedAtMs <= asked.atMs && asked.atMs <= clock.atMs);
  assert.ok(clock.atMs <= systemClock.nowMs());
});

test("an acknowledgement that is lost is sent again, though no other table comes", async (t) => {
  const federator = await startFederator(t);
  const follower = await startFollower(t, federator);
  federator.loseAnAck();
  federator.send(full(3));
  await follower.reaches(3);
  assert.deepEqual((await federator.nextAck())["position"], { incarnation: "one", revision: 3 });
});

/** A federator's feed, driven by the test. */
async function startFederator(t: TestContext) {
  const acks = queue<Record<string, unknown>>();
  const connections = queue<string>();
  const frames: FeedFrame[] = [];
  let open: ServerResponse | undefined;
  let clockHeader: string | string[] | undefined;
  let isHidden = false;
  let losesAnAck = false;
  const flush = () => {
    if (open !== undefined)
      for (const frame of frames.splice(0)) open.write(`${JSON.stringify(frame)}\n`);
  };
  const server = createServer((request, response) => {
    if (request.url === "/internal/feed/acks") {
      void text(request).then((body) => {
        if (losesAnAck) {
          losesAnAck = false;
          request.socket.destroy();
          return;
        }
        acks.put(JSON.parse(body));
        response.writeHead(204).end();
      });
      return;
    }
    connections.put(request.url ?? "");
    clockHeader = request.headers[CLOCK_HEADER];
    open = response;
    response.on("close", () => (open = open === response ? undefined : open));
    response.writeHead(200).flushHeaders();
    flush();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const endpoint: RunEndpoint = {
    program: "federator",
    zone: "eu-west",
    pid: process.pid,
    bootId: "boot",
    urls: { internal: `http://127.0.0.1:${port}`, admin: `http://127.0.0.1:${port}` },
  };
  return {
    discovery: { list: () => Promise.resolve(isHidden ? [] : [endpoint]) },
    hide: () => (isHidden = true),
    loseAnAck: () => (losesAnAck = true),
    send: (frame: FeedFrame) => {
      frames.push(frame);
      flush();
    },
    nextAck: acks.next,
    clockHeader: () => clockHeader,
    nextConnection: async () => {
      await connections.next();
      return connections.next();
    },
  };
}

async function startFollower(
  t: TestContext,
  federator: Awaited<ReturnType<typeof startFederator>>,
  file?: string,
) {
  const folder = await mkdtemp(join(tmpdir(), "feed-"));
  const client = internalClient("token");
  const rights: unknown[] = [];
  let leaseEndsMs = Number.NaN;
  const tableFile = file ?? join(folder, "table.json");
  const feed = await followFeed({
    receiver: "gateway-1",
    zone: "eu-west",
    tableFile,
    discovery: federator.discovery,
    client,
    clock: systemClock,
    random: { next: () => 0 },
    log: pino({ level: "silent" }),
    onRights: ({ tenants }, endsMs) => {
      rights.push(tenants);
      leaseEndsMs = endsMs;
    },
  });
  t.after(async () => {
    await feed.close();
    await client.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    feed,
    tableFile,
    rights,
    leaseEndsMs: () => leaseEndsMs,
    reaches: (revision: number) => reaches(feed, revision),
  };
}

const reaches = ({ table }: FeedFollower, revision: number): Promise<void> =>
  new Promise((resolve) => {
    const stop = table.subscribe((newest) => {
      if (newest?.position.revision !== revision) return;
      stop();
      resolve();
    });
    if (table.get()?.position.revision === revision) resolve();
  });

function queue<T>() {
  const values: T[] = [];
  const waiting: ((value: T) => void)[] = [];
  return {
    put: (value: T) => {
      const taker = waiting.shift();
      if (taker === undefined) values.push(value);
      else taker(value);
    },
    next: (): Promise<T> => {
      const value = values.shift();
      return value === undefined
        ? new Promise((resolve) => waiting.push(resolve))
        : Promise.resolve(value);
    },
  };
}
