import assert from "node:assert/strict";
import { test } from "node:test";
import { commit, failsWith, put, read, until, watching } from "../../contract/catalog/support.ts";
import { startFaultProxy } from "../../support/fault-proxy.ts";
import { openEtcd } from "../open-etcd-catalog.ts";
import { startEtcdCluster } from "../start-etcd-cluster.ts";
import { etcdProgram, needsEtcd } from "./support.ts";

const CALL_TIMEOUT_MS = 1_500;
/** For a machine with other things to do. */
const SLACK_MS = 10_000;

// B8: etcd3 has neither a deadline nor a keepalive by default; get() hung for 32 s, and the watch never noticed.
test(
  "with bytes going nowhere every call ends by its deadline, and says whether it may have been made",
  needsEtcd,
  async (t) => {
    const { endpoints } = await startEtcdCluster(t, etcdProgram);
    const proxy = await startFaultProxy(t, endpoints[0] ?? "");
    const catalog = await openEtcd(t, [proxy.url], {
      callTimeoutMs: CALL_TIMEOUT_MS,
      attemptTimeoutMs: 500,
    });
    await commit(catalog, put("k", "before"));
    const leaseId = await catalog.grantLease(60_000);
    assert.equal(await catalog.renewLease(leaseId), "renewed");
    const watcher = watching(t, catalog, "", 0);
    await watcher.until(() => watcher.events.length > 0, "the watch runs");

    proxy.blackHole();
    const startedAtMs = performance.now();
    const isUnavailable = failsWith("MERIDIAN_CATALOG_UNAVAILABLE");
    const isUndecided = failsWith("MERIDIAN_WRITE_AMBIGUOUS");
    await Promise.all([
      assert.rejects(commit(catalog, put("k", "after")), isUndecided),
      assert.rejects(catalog.range({ prefix: "" }), isUnavailable),
      assert.rejects(catalog.grantLease(60_000), isUnavailable),
      assert.rejects(catalog.renewLease(leaseId), isUnavailable),
      assert.rejects(catalog.revokeLease(leaseId), isUndecided),
      assert.rejects(catalog.compact(1), isUnavailable),
      assert.rejects(
        catalog.txn({ compares: [], operations: [put("x")] }, AbortSignal.timeout(200)),
        isUndecided,
      ),
    ]);
    assert.ok(performance.now() - startedAtMs < CALL_TIMEOUT_MS + SLACK_MS);
    await assert.rejects(watcher.ended, isUnavailable);

    proxy.heal();
    await until(
      async () => (await read(catalog, "k").catch(() => undefined))?.value === "before",
      "it heals",
    );
    assert.equal(await catalog.renewLease(leaseId), "renewed");
    await commit(catalog, put("k", "healed"));
  },
);

test(
  "where one member falls silent, calls, leases and watches go on with the others",
  needsEtcd,
  async (t) => {
    const cluster = await startEtcdCluster(t, etcdProgram);
    const [first = "", ...others] = cluster.endpoints;
    const proxy = await startFaultProxy(t, first);
    const catalog = await openEtcd(t, [proxy.url, ...others], { attemptTimeoutMs: 500 });
    const direct = await openEtcd(t, others, { keyPrefix: "direct/" });
    const revision = await commit(catalog, put("k", "before"));
    const leaseId = await catalog.grantLease(60_000);
    const watcher = watching(t, catalog, "", revision);
    await watcher.until(() => watcher.events.length > 0, "the watch runs");
    assert.ok(proxy.connections() > 0);

    proxy.blackHole();
    await commit(catalog, put("k", "after"));
    assert.equal(await catalog.renewLease(leaseId), "renewed");
    await watcher.until(() => watcher.changes().length > 0, "the watch leaves the silent member");
    assert.equal(watcher.changes().length, 1);
    await commit(direct, put("k"));
  },
);

// B9: without `hasleader` a stream on a member that lost its cluster stays open and silent.
test(
  "a member cut off from its cluster is left by calls and watches alike",
  needsEtcd,
  async (t) => {
    const cluster = await startEtcdCluster(t, etcdProgram);
    const catalog = await openEtcd(t, cluster.endpoints);
    const revision = await commit(catalog, put("k", "before"));
    const watcher = watching(t, catalog, "", revision);
    await watcher.until(() => watcher.events.length > 0, "the watch runs");
    const [first, ...others] = cluster.members;
    // Frozen, with its connections open: neither this program nor its peers hear from it.
    first?.signal("SIGSTOP");
    await commit(catalog, put("k", "after"));
    await watcher.until(() => watcher.changes().length > 0, "the watch leaves it");
    first?.signal("SIGCONT");
    for (const member of others) member.signal("SIGSTOP");
    const short = await openEtcd(t, cluster.endpoints.slice(0, 1), { callTimeoutMs: 1_000 });
    await assert.rejects(commit(short, put("k")), failsWith("MERIDIAN_CATALOG_UNAVAILABLE"));
    for (const member of others) member.signal("SIGCONT");
    await until(
      async () => (await read(catalog, "k").catch(() => undefined)) !== undefined,
      "it heals",
    );
  },
);
