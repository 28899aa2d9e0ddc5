import assert from "node:assert/strict";
import { test } from "node:test";
import { MeridianError } from "#lib/errors.ts";
import { commit, failsWith, put, read, until } from "../../contract/catalog/support.ts";
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

const CALL_TIMEOUT_MS = 2_000;
/** For a machine with other things to do. */
const SLACK_MS = 10_000;

test(
  "without a quorum calls end by their deadline, and once it is back everything goes on exactly once",
  needsEtcd,
  async (t) => {
    const cluster = await startEtcdCluster(t, etcdProgram);
    const limits = { keyPrefix: "quorum/", callTimeoutMs: CALL_TIMEOUT_MS, attemptTimeoutMs: 700 };
    const catalog = await openEtcd(t, cluster.endpoints, limits);
    const stopping = new AbortController();
    t.after(() => stopping.abort());
    const followed = await follow(catalog, "w/", stopping.signal);
    const told = nothingTold();
    const leaseId = await catalog.grantLease(60_000);
    await commit(catalog, put("kept", "", leaseId));
    await writeOnce(catalog, numbered("w/before/", 20), 1, told);

    const [, second, third] = cluster.members;
    await Promise.all([second?.kill(), third?.kill()]);
    const startedAtMs = performance.now();
    await Promise.all([
      writeOnce(catalog, numbered("w/without-1/", 1), 1, told),
      writeOnce(catalog, numbered("w/without-2/", 1), 1, told),
      assert.rejects(catalog.range({ prefix: "" }), failsWith("MERIDIAN_CATALOG_UNAVAILABLE")),
    ]);
    assert.ok(performance.now() - startedAtMs < CALL_TIMEOUT_MS + SLACK_MS);
    // Not before: a leader renews alone until it notices that it has lost its followers.
    await assert.rejects(catalog.renewLease(leaseId), failsWith("MERIDIAN_CATALOG_UNAVAILABLE"));
    assert.equal(told.acknowledged.size, 20, "nothing is acknowledged by a minority");

    await Promise.all([second?.start("existing"), third?.start("existing")]);
    await until(
      async () => (await read(catalog, "kept").catch(ignoreUnavailable)) !== undefined,
      "the quorum is back",
    );
    await writeOnce(catalog, numbered("w/after/", 20), 1, told);
    assert.equal(await catalog.renewLease(leaseId), "renewed");
    await assertExactlyOnce(catalog, "w/", told, followed);
    stopping.abort();
    await followed.ended;
  },
);

function ignoreUnavailable(error: unknown): undefined {
  assert.ok(error instanceof MeridianError && error.code === "MERIDIAN_CATALOG_UNAVAILABLE");
}
