import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../contract/catalog/support.ts";
import { seededRandom } from "../../simulation/engine/seeded-random.ts";
import { startFaultProxy } from "../../support/fault-proxy.ts";
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

const CUTS = 1_000;
/** Side by side, since etcd lets a watch that begins in the past wait up to 100 ms. */
const WATCHES = 10;
/** From the greeting of a connection up to some dozen events. */
const CUT_BYTES = [300, 3_000] as const;
/** What it is behind with comes in one message, which has to pass whole. */
const BEHIND_MAX = 12;
const QUICK = { pauseMsMin: 1, pauseMsMax: 4 };

// B1: cut after 100 kB of a catch-up, etcd3's watcher lost 5,000 of 5,000 events; it went on after the newest revision it knew of.
test(
  "watches whose streams are cut a thousand times deliver every event once and in order",
  needsEtcd,
  async (t) => {
    const { endpoints } = await startEtcdCluster(t, etcdProgram);
    const keyPrefix = "cuts/";
    const writer = await openEtcd(t, endpoints, { keyPrefix, writerName: "writer" });
    const proxy = await startFaultProxy(t, endpoints[0] ?? "");
    const stopping = new AbortController();
    t.after(() => stopping.abort());
    const followed = await Promise.all(
      Array.from({ length: WATCHES }, async () => {
        // Each on a connection of its own.
        const watcher = await openEtcd(t, [proxy.url], { ...QUICK, keyPrefix });
        return await follow(watcher, "w/", stopping.signal);
      }),
    );

    const random = seededRandom("stream cuts");
    proxy.cutAfter(() => Math.floor(random.between(...CUT_BYTES)));
    const told = nothingTold();
    for (let round = 0; proxy.cuts() < CUTS; round++) {
      await writeOnce(writer, numbered(`w/${round}/`, 12), random.index(6) + 1, told);
      const least = () => Math.min(...followed.map(({ written }) => written.size));
      await until(() => told.acknowledged.size - least() < BEHIND_MAX, "they catch up");
    }
    t.diagnostic(`${proxy.cuts()} cuts, ${told.acknowledged.size} records`);
    for (const one of followed) {
      assert.equal(one.breaks(), 0, "the driver itself takes up where the stream was cut");
      await assertExactlyOnce(writer, "w/", told, one);
    }
    stopping.abort();
    await Promise.all(followed.map(({ ended }) => ended));
  },
);
