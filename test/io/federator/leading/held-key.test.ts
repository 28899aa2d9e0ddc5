import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import {
  type HeldKey,
  type HeldKeyOptions,
  holdKey,
} from "../../../../federator/io/leading/held-key.ts";
import { cuttableCatalog } from "../support/cuttable-catalog.ts";
import { until } from "../support/until.ts";

const TTL_MS = 600;

const hold = (
  catalog: Catalog,
  value: string,
  succession: HeldKeyOptions["succession"],
  isPredecessor: HeldKeyOptions["isPredecessor"] = () => false,
): HeldKey =>
  holdKey({
    catalog,
    clock: systemClock,
    log: pino({ level: "silent" }),
    key: "seat",
    value,
    ttlMs: TTL_MS,
    isPredecessor,
    succession,
  });
const isHeld = (key: HeldKey) => async () => key.held() !== null;
const newCatalog = () => createMemoryCatalog({ clock: systemClock });

test("one holds it, and after its end another, with a greater token", async () => {
  const catalog = newCatalog();
  const first = hold(catalog, "first", "depose");
  await until("the first holds it", isHeld(first));
  const token = first.held()?.createRevision ?? 0;
  const second = hold(catalog, "second", "depose");
  await first.close("revoke");
  await until("the second holds it", isHeld(second));
  assert.ok((second.held()?.createRevision ?? 0) > token);
  await second.close("revoke");
  await catalog.close();
});

test("who is cut off stops believing before anybody else can hold it, and cannot write any more", async () => {
  const catalog = newCatalog();
  const link = cuttableCatalog(catalog);
  const old = hold(link, "old", "depose");
  await until("the old one holds it", isHeld(old));
  const token = old.held()?.createRevision ?? 0;
  const next = hold(catalog, "next", "depose");
  let overlaps = 0;
  const watching = setInterval(() => {
    if (old.held() !== null && next.held() !== null) overlaps += 1;
  }, 5);

  link.cut();
  await until("the next one holds it", isHeld(next));
  clearInterval(watching);
  assert.equal(overlaps, 0);
  assert.equal(old.validForMs(), 0);
  const late = await catalog.txn({
    compares: [{ kind: "created-at", key: "seat", revision: token }],
    operations: [{ kind: "put", key: "work", value: "of a leader that was deposed" }],
  });
  assert.equal(late.kind, "conflict");
  await old.close("revoke");
  await next.close("revoke");
  await catalog.close();
});

test("a successor that deposes makes the predecessor's token worthless at once", async () => {
  const catalog = newCatalog();
  const dead = hold(cuttableCatalog(catalog), "zone-a", "depose");
  await until("the predecessor holds it", isHeld(dead));
  const token = dead.held()?.createRevision ?? 0;
  const successor = hold(catalog, "zone-a again", "depose", ({ value }) => value === "zone-a");
  await until("the successor holds it", isHeld(successor));
  assert.ok((successor.held()?.createRevision ?? 0) > token);
  await dead.close("let-expire");
  await successor.close("revoke");
  await catalog.close();
});

test("a successor that replaces never lets the record vanish, and the old lease does not take it along", async () => {
  const catalog = newCatalog();
  const link = cuttableCatalog(catalog);
  const dead = hold(link, "before", "replace");
  await until("the predecessor holds it", isHeld(dead));
  link.cut();
  const seen: string[] = [];
  const watching = new AbortController();
  const watched = (async () => {
    for await (const event of catalog.watch({ prefix: "seat", afterRevision: 0 }, watching.signal))
      if (event.kind === "revision")
        for (const change of event.changes)
          seen.push(change.kind === "put" ? change.record.value : "vanished");
  })().catch(() => undefined);

  const successor = hold(catalog, "after", "replace", () => true);
  await until("the successor holds it", isHeld(successor));
  const heldSince = systemClock.nowMs();
  await until("the old lease is over", async () => systemClock.nowMs() - heldSince > TTL_MS * 1.5);
  assert.notEqual(successor.held(), null);
  watching.abort();
  await watched;
  assert.deepEqual(seen, ["before", "after"]);
  await dead.close("let-expire");
  await successor.close("revoke");
  await catalog.close();
});
