import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { applyWrite } from "#lib/catalog/history.ts";
import { recentOutcomes } from "#lib/catalog/recent-outcomes.ts";
import { openSqliteHistory } from "#lib/io/sqlite-history.ts";
import type { Catalog, Transaction } from "#lib/ports/catalog.ts";
import { commit, put, read, readAll, remove, until } from "../../contract/catalog/support.ts";
import { seededRandom } from "../../simulation/engine/seeded-random.ts";
import { startFaultProxy } from "../../support/fault-proxy.ts";
import {
  connectTo,
  openSqlite,
  serveCatalog,
  temporaryDirectory,
} from "./support/open-catalogs.ts";

const creationOf = (key: string, value = ""): Transaction => ({
  compares: [{ kind: "absent", key }],
  operations: [put(key, value)],
});

test("a write whose answer is lost is sent again, and its caller is told of the first sending", async (t) => {
  const { catalog: served, url } = await serveCatalog(t);
  const proxy = await startFaultProxy(t, url);
  const catalog = connectTo(t, proxy.url, { callTimeoutMs: 6_000 });
  await commit(catalog, put("first"));
  for (let round = 0; round < 5; round++) {
    const key = `k/${round}`;
    proxy.dropReplies();
    const writing = catalog.txn(creationOf(key, "ours"));
    await until(async () => (await read(served, key)) !== undefined, "it is made");
    proxy.heal();
    const record = await read(served, key);
    assert.deepEqual(await writing, { kind: "committed", revision: record?.modRevision });
  }
});

test("many increments over a wire that loses questions and answers are each made exactly once", async (t) => {
  const { catalog: served, url } = await serveCatalog(t);
  const proxy = await startFaultProxy(t, url);
  const random = seededRandom("embedded increments");
  const clients = Array.from({ length: 4 }, () =>
    connectTo(t, proxy.url, { callTimeoutMs: 5_000 }),
  );
  const over = new AbortController();
  const losing = (async () => {
    while (!over.signal.aborted) {
      if (random.chance(0.5)) proxy.dropReplies();
      else proxy.blackHole();
      await delay(random.between(1, 20));
      proxy.heal();
      await delay(random.between(20, 60));
    }
  })();
  const INCREMENTS = 30;
  const increment = async (catalog: Catalog, key: string): Promise<void> => {
    let { revision } = await catalog.txn(creationOf(key, "0"));
    for (let made = 1; made <= INCREMENTS; made++) {
      const result = await catalog.txn({
        compares: [{ kind: "modified-at", key, revision }],
        operations: [put(key, String(made))],
      });
      // Nobody else writes this key: a conflict would be with a lost sending of our own.
      assert.equal(result.kind, "committed");
      ({ revision } = result);
    }
  };
  try {
    await Promise.all(clients.map((catalog, client) => increment(catalog, `n/${client}`)));
  } finally {
    over.abort();
    await losing;
  }
  const values = (await readAll(served, "n/")).map(({ value }) => Number(value));
  assert.deepEqual(values, [INCREMENTS, INCREMENTS, INCREMENTS, INCREMENTS]);
});

test("an id is remembered with its change beyond the end of the process, and another's outcome is never told", async (t) => {
  const databaseFile = join(await temporaryDirectory(t), "catalog.sqlite");
  const first = await openSqlite(t, databaseFile);
  const made = await first.txn(creationOf("k", "1"), undefined, "one");
  await first.close();
  const second = await openSqlite(t, databaseFile);
  await commit(second, put("k", "2"));
  assert.deepEqual(await second.txn(creationOf("k", "1"), undefined, "one"), made);
  assert.equal((await read(second, "k"))?.value, "2", "it is not made again");
  assert.equal((await second.txn(creationOf("k"), undefined, "two")).kind, "conflict");
});

test("what was told to be a conflict or to change nothing is not made by a sending that comes late", async (t) => {
  const { catalog: served } = await serveCatalog(t);
  await commit(served, put("k", "theirs"));
  const conflict = await served.txn(creationOf("k", "ours"), undefined, "conflicting");
  const nothing = await served.txn({ compares: [], operations: [remove("x")] }, undefined, "empty");
  await commit(served, remove("k"), put("x"));
  assert.deepEqual(await served.txn(creationOf("k", "ours"), undefined, "conflicting"), conflict);
  assert.equal(await read(served, "k"), undefined);
  const late = await served.txn({ compares: [], operations: [remove("x")] }, undefined, "empty");
  assert.deepEqual(late, nothing);
  assert.notEqual(await read(served, "x"), undefined);
});

test("outcomes of a transaction that was rolled back are not told", async (t) => {
  const databaseFile = join(await temporaryDirectory(t), "catalog.sqlite");
  const history = openSqliteHistory(databaseFile, 1_000_000_000);
  t.after(() => history.close());
  const write = (operationId: string, transaction: Transaction): string =>
    applyWrite(history, { kind: "txn", transaction, operationId }).kind;
  history.inTransaction(() => write("first", creationOf("held")));
  const failing = () =>
    history.inTransaction(() => {
      assert.equal(write("made", creationOf("new")), "applied");
      assert.equal(write("beside", creationOf("held")), "conflict");
      throw new Error("the disk is gone");
    });
  assert.throws(failing, /the disk is gone/);
  const removal: Transaction = { compares: [], operations: [remove("held")] };
  history.inTransaction(() => write("removal", removal));
  for (const [operationId, key] of [
    ["made", "new"],
    ["beside", "held"],
  ] as const)
    assert.equal(
      history.inTransaction(() => write(operationId, creationOf(key))),
      "applied",
    );
});

test("the oldest of too many outcomes is forgotten, and what each holds is small", () => {
  const outcomes = recentOutcomes(2);
  const record = { key: "k", value: "v", createRevision: 1, modRevision: 1, leaseId: null };
  for (const [index, id] of ["one", "two", "three"].entries())
    outcomes.remember(id, {
      kind: "applied",
      revision: index,
      changes: [{ kind: "put", record }],
    });
  assert.equal(outcomes.recall("one"), undefined);
  assert.deepEqual(outcomes.recall("two"), { kind: "applied", revision: 1, changes: [] });
  outcomes.forget("three");
  assert.equal(outcomes.recall("three"), undefined);
});
