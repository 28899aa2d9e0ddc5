import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { commit, failsWith, put, read, readAll, watching } from "../../contract/catalog/support.ts";
import { startFaultProxy } from "../../support/fault-proxy.ts";
import { openEtcd } from "../open-etcd-catalog.ts";
import { type RunningEtcd, startEtcd } from "../start-etcd.ts";
import { etcdProgram, needsEtcd } from "./support.ts";

const isUnavailable = failsWith("MERIDIAN_CATALOG_UNAVAILABLE");
let clusters: readonly RunningEtcd[] = [];
before(async () => {
  if (needsEtcd.skip !== false) return;
  // Ids follow from the names and addresses of the members, so that these two differ.
  clusters = await Promise.all([startEtcd(etcdProgram), startEtcd(etcdProgram)]);
});
after(() => Promise.all(clusters.map(({ stop }) => stop())));
const endpoints = (): string[] => clusters.map(({ endpoint }) => endpoint);

test("endpoints of two clusters are refused when the catalog is opened", needsEtcd, async (t) => {
  const isMixed = (error: unknown) => {
    assert.match(String(error), /members of different etcd clusters \([0-9a-f]+ and [0-9a-f]+\)/);
    return isUnavailable(error);
  };
  await assert.rejects(openEtcd(t, endpoints()), isMixed);
  await openEtcd(t, [endpoints()[0] ?? "", "http://127.0.0.1:9"]);
});

test(
  "a member of another cluster that comes later is refused: nothing is written to it, read from it or heard of it",
  needsEtcd,
  async (t) => {
    const [own = "", other = ""] = endpoints();
    const keyPrefix = "later/";
    const [ownProxy, otherProxy] = [await startFaultProxy(t, own), await startFaultProxy(t, other)];
    otherProxy.blackHole();
    const catalog = await openEtcd(t, [ownProxy.url, otherProxy.url], {
      keyPrefix,
      callTimeoutMs: 2_500,
      attemptTimeoutMs: 400,
    });
    const revision = await commit(catalog, put("k", "ours"));
    const running = watching(t, catalog, "", revision);
    await running.until(() => running.events.length > 0, "the watch runs");
    const theirs = await openEtcd(t, [other], { keyPrefix });
    await commit(theirs, put("k", "theirs"));

    // The own one falls silent, and a stranger stands where another member was configured.
    ownProxy.blackHole();
    otherProxy.heal();
    await Promise.all([
      assert.rejects(catalog.range({ prefix: "" }), /another etcd cluster/),
      assert.rejects(watching(t, catalog, "", 0).ended, isUnavailable),
      assert.rejects(commit(catalog, put("k", "lost"))),
      assert.rejects(running.ended, isUnavailable),
      assert.rejects(catalog.compact(1), isUnavailable),
    ]);
    await assert.rejects(commit(catalog, put("new")), isUnavailable);
    assert.deepEqual(
      (await readAll(theirs, "")).map(({ key, value }) => `${key}=${value}`),
      ["k=theirs"],
    );
    assert.ok(running.changes().length === 0);

    ownProxy.heal();
    const direct = await openEtcd(t, [own], { keyPrefix, writerName: "direct" });
    assert.equal((await read(direct, "k"))?.value, "ours");
  },
);

test(
  "a cluster that was replaced as a whole is another incarnation, which its readers are told of",
  needsEtcd,
  async (t) => {
    const [first = "", second = ""] = endpoints();
    const keyPrefix = "replaced/";
    const [before, now] = [
      await openEtcd(t, [first], { keyPrefix }),
      await openEtcd(t, [second], { keyPrefix }),
    ];
    await commit(before, put("k", "first"));
    await commit(now, put("k", "second"));
    const proxy = await startFaultProxy(t, first);
    const catalog = await openEtcd(t, [proxy.url], { keyPrefix });
    const page = await catalog.range({ prefix: "" });
    const watcher = watching(t, catalog, "", page.kind === "page" ? page.revision : 0);
    await watcher.until(() => watcher.events.length > 0, "the watch runs");
    proxy.redirect(second);
    await assert.rejects(watcher.ended, /another one now/);
    const after = await catalog.range({ prefix: "" });
    assert.ok(page.kind === "page" && after.kind === "page");
    assert.notEqual(after.incarnation, page.incarnation);
    assert.deepEqual(
      after.records.map(({ value }) => value),
      ["second"],
    );
    await commit(catalog, put("k", "goes on"));
  },
);
