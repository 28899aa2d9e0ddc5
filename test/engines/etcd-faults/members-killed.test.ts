import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { until } from "../../contract/catalog/support.ts";
import { openEtcd } from "../open-etcd-catalog.ts";
import { startEtcdCluster } from "../start-etcd-cluster.ts";
import {
  assertExactlyOnce,
  etcdProgram,
  follow,
  needsEtcd,
  nothingTold,
  numbered,
  writeOnce,
} from "./support.ts";

const WRITERS = 10;
const RECORDS = 20_000;
const PER_TRANSACTION = 4;

// B1: etcd3's watcher goes on after the newest revision it heard of; here 5,000 of 5,000 events were lost in one outage.
test(
  "three kills -9 during 20,000 writes, the leader among them, lose no acknowledged write and no event",
  needsEtcd,
  async (t) => {
    const cluster = await startEtcdCluster(t, etcdProgram);
    const keyPrefix = "killed/";
    const catalog = await openEtcd(t, cluster.endpoints, { keyPrefix, writerName: "watcher" });
    const stopping = new AbortController();
    t.after(() => stopping.abort());
    const followed = await follow(catalog, "w/", stopping.signal);
    const told = nothingTold();
    const writers = await Promise.all(
      Array.from({ length: WRITERS }, async (_, writer) => {
        // Each begins at another member, so that each kill meets some.
        const endpoints = [0, 1, 2].map((turn) => cluster.endpoints[(writer + turn) % 3] ?? "");
        return await openEtcd(t, endpoints, { keyPrefix, writerName: `writer-${writer}` });
      }),
    );
    const writing = Promise.all(
      writers.map((writer, index) =>
        writeOnce(writer, numbered(`w/${index}/`, RECORDS / WRITERS), PER_TRANSACTION, told),
      ),
    );
    const written = () => told.acknowledged.size + told.notMade.size + told.inDoubt.size;
    for (const share of [0.15, 0.4, 0.65]) {
      await until(() => written() > RECORDS * share, `${share} of the writes`);
      const victim = share === 0.4 ? await cluster.leader() : cluster.members[share < 0.4 ? 0 : 1];
      assert.ok(victim !== undefined);
      await victim.kill();
      await delay(500);
      await victim.start("existing");
      await victim.ready();
    }
    await writing;
    t.diagnostic(
      `${told.acknowledged.size} acknowledged, ${told.notMade.size} not made, ${told.inDoubt.size} in doubt`,
    );
    assert.ok(told.acknowledged.size > RECORDS * 0.9);
    await assertExactlyOnce(catalog, "w/", told, followed);
    stopping.abort();
    await followed.ended;
  },
);

test(
  "when the leader is killed, writes, leases and watches go on after the election, and every write is answered",
  needsEtcd,
  async (t) => {
    const cluster = await startEtcdCluster(t, etcdProgram);
    const leader = await cluster.leader();
    const others = cluster.endpoints.filter((endpoint) => endpoint !== leader.clientUrl);
    const catalog = await openEtcd(t, [leader.clientUrl, ...others]);
    const stopping = new AbortController();
    t.after(() => stopping.abort());
    const followed = await follow(catalog, "w/", stopping.signal);
    const leaseId = await catalog.grantLease(60_000);
    const told = nothingTold();
    const writing = writeOnce(catalog, numbered("w/", 300), 1, told);
    await until(() => told.acknowledged.size > 100, "some writes");
    await leader.kill();
    await writing;
    assert.deepEqual([told.acknowledged.size, told.inDoubt.size, told.notMade.size], [300, 0, 0]);
    assert.equal(await catalog.renewLease(leaseId), "renewed");
    await assertExactlyOnce(catalog, "w/", told, followed);
    stopping.abort();
    await followed.ended;
  },
);

test(
  "the loss of a member for good, and a new one with an empty disk, change nothing for writers and watchers",
  needsEtcd,
  async (t) => {
    const cluster = await startEtcdCluster(t, etcdProgram);
    const catalog = await openEtcd(t, cluster.endpoints);
    const stopping = new AbortController();
    t.after(() => stopping.abort());
    const followed = await follow(catalog, "w/", stopping.signal);
    const told = nothingTold();
    await writeOnce(catalog, numbered("w/before/", 200), 20, told);
    const [first] = cluster.members;
    assert.ok(first !== undefined);
    await Promise.all([
      cluster.replaceDisk(first),
      writeOnce(catalog, numbered("w/meanwhile/", 400), 1, told),
    ]);
    await writeOnce(catalog, numbered("w/after/", 200), 20, told);
    await assertExactlyOnce(catalog, "w/", told, followed);

    const alone = await openEtcd(t, [first.clientUrl], { keyPrefix: "other/" });
    await writeOnce(alone, numbered("w/", 10), 1, nothingTold());
    stopping.abort();
    await followed.ended;
  },
);
