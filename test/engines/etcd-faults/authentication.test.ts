import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { Etcd3 } from "etcd3";
import type { EtcdCatalogOptions } from "#lib/io/etcd/etcd-catalog.ts";
import { etcdMaintenance } from "#lib/io/etcd/etcd-maintenance.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { commit, failsWith, put, read, watching } from "../../contract/catalog/support.ts";
import { openEtcd } from "../open-etcd-catalog.ts";
import { startEtcd } from "../start-etcd.ts";
import { etcdProgram, needsEtcd, sharedCluster } from "./support.ts";

const TOKEN_TTL_SECONDS = 2;
const PREFIX = "allowed/";
const PASSWORD = "a password of the tests";

const flags = ["--auth-token-ttl", String(TOKEN_TTL_SECONDS)];
const endpoints = sharedCluster(flags, async (hosts) => {
  const root = new Etcd3({ hosts: [...hosts] });
  await root.role("root").create();
  const user = await root.user("root").create(PASSWORD);
  await user.addRole("root");
  const catalogRole = root.role("catalog");
  await catalogRole.create();
  for (const prefix of [PREFIX, "allowed-writers/"])
    await catalogRole.grant({ permission: "Readwrite", range: root.range({ prefix }) });
  await (await root.user("meridian").create(PASSWORD)).addRole("catalog");
  await root.auth.authEnable();
  root.close();
});

const open = (t: Parameters<typeof openEtcd>[0], options: Partial<EtcdCatalogOptions> = {}) =>
  openEtcd(t, endpoints(), {
    keyPrefix: PREFIX,
    credentials: { username: "meridian", password: PASSWORD },
    ...options,
  });

// B6: etcd3 refreshes an expired token for calls alone; a watch made after it fails, and by B5 all after that one.
test(
  "when the token expires, calls, leases and new watches go on with another",
  needsEtcd,
  async (t) => {
    const catalog = await open(t);
    const revision = await commit(catalog, put("k", "1"));
    const leaseId = await catalog.grantLease(60_000);
    assert.equal(await catalog.renewLease(leaseId), "renewed");
    const running = watching(t, catalog, "", revision);
    await running.until(() => running.events.length > 0, "a watch runs");
    for (let round = 2; round < 4; round++) {
      await delay(TOKEN_TTL_SECONDS * 1_000 + 1_200);
      const begun = watching(t, catalog, "", revision);
      await begun.until(() => begun.events.length > 0, "a new watch runs");
      assert.equal(await catalog.renewLease(leaseId), "renewed");
      await commit(catalog, put("k", String(round), leaseId));
      await running.until(() => running.changes().length === round - 1, "the old watch goes on");
    }
    assert.equal((await read(catalog, "k"))?.value, "3");
  },
);

// B5: a watch that is refused stays at the head of etcd3's queue, and the permitted ones behind it wait for ever.
test(
  "a forbidden prefix is refused with what to do, and wedges nothing beside it",
  needsEtcd,
  async (t) => {
    const forbidden = await open(t, { keyPrefix: "forbidden/" });
    const allowed = await open(t);
    const isRefused = (error: unknown) => {
      assert.match(String(error), /grant it the catalog's prefix/);
      return failsWith("MERIDIAN_CATALOG_UNAVAILABLE")(error);
    };
    await assert.rejects(forbidden.range({ prefix: "" }), isRefused);
    await assert.rejects(commit(forbidden, put("k")), isRefused);
    await assert.rejects(watching(t, forbidden, "", 0).ended, isRefused);
    const before = await commit(allowed, put("k"));
    const watcher = watching(t, allowed, "", before);
    // The same client, which has just been refused by a prefix beyond its own: keys of "allowed0" sort behind "allowed/".
    await assert.rejects(watching(t, forbidden, "", 0).ended, isRefused);
    const last = await commit(allowed, put("k", "2"));
    await watcher.until(() => watcher.revisions().includes(last), "the permitted watch goes on");
  },
);

test(
  "a wrong password is refused at once and says so; no credentials where they are needed too",
  needsEtcd,
  async (t) => {
    const wrong = await open(t, { credentials: { username: "meridian", password: "wrong" } });
    await assert.rejects(commit(wrong, put("k")), /authentication failed/);
    await assert.rejects(watching(t, wrong, "", 0).ended, /authentication failed/);
    await assert.rejects(wrong.renewLease("1"), /authentication failed/);
    const anonymous = await openEtcd(t, endpoints(), { keyPrefix: PREFIX });
    await assert.rejects(commit(anonymous, put("k")), /user name is empty/);
    await assert.rejects(
      watching(t, anonymous, "", 0).ended,
      failsWith("MERIDIAN_CATALOG_UNAVAILABLE"),
    );
  },
);

test("credentials where etcd asks for none do no harm", needsEtcd, async (t) => {
  const open = await startEtcd(etcdProgram);
  t.after(() => open.stop());
  const catalog = await openEtcd(t, [open.endpoint], {
    credentials: { username: "meridian", password: PASSWORD },
  });
  await commit(catalog, put("k"));
});

test("maintenance sees members and alarms as root, and defragments one", needsEtcd, async () => {
  const [endpoint = ""] = endpoints();
  const credentials = { username: "root", password: PASSWORD };
  const maintenance = etcdMaintenance(
    { endpoints: [endpoint, "http://127.0.0.1:9"], credentials },
    systemClock,
  );
  const [member, nobody] = await maintenance.members();
  assert.ok(member?.kind === "answered" && member.hasLeader && member.databaseBytes > 0);
  assert.equal(nobody?.kind, "silent");
  assert.deepEqual(await maintenance.alarms(), []);
  await maintenance.defragment(endpoint);
  await assert.rejects(
    etcdMaintenance({ endpoints: [endpoint] }, systemClock).defragment(endpoint),
    failsWith("MERIDIAN_CATALOG_UNAVAILABLE"),
  );
});
