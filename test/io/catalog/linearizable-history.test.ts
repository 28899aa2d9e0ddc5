import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Random } from "#lib/ports/random.ts";
import { until } from "../../contract/catalog/support.ts";
import { seededRandom } from "../../simulation/engine/seeded-random.ts";
import {
  assertLinearizable,
  describeHistory,
  isAnyViolated,
  recordHistory,
} from "../../support/register-history.ts";
import { catalogProcess } from "./support/catalog-process.ts";
import { openMemory } from "./support/open-catalogs.ts";

const CLIENTS = 6;
const KILLS = 6;
/** Some seconds of an idle machine's work, and some more of a busy one's. */
const CALLS_BETWEEN_KILLS = 150;

test("what several clients of a memory catalog see is linearizable", async (t) => {
  const catalog = await openMemory(t);
  const clients = Array.from({ length: CLIENTS }, () => catalog);
  const random = seededRandom("memory history");
  const history = await recordHistory(clients, random, (made) => made >= 3_000);
  t.diagnostic(describeHistory(history));
  assertLinearizable(history);
});

/** Ways in which a catalog would break its word, each now and then. */
const MISBEHAVIOURS: Readonly<Record<string, (catalog: Catalog, random: Random) => Catalog>> = {
  "reads what was true some revisions ago": (catalog, random) => ({
    ...catalog,
    range: async (query, signal) => {
      const page = await catalog.range(query, signal);
      if (page.kind !== "page" || random.next() > 0.05) return page;
      const atRevision = Math.max(0, page.revision - 20);
      return await catalog.range({ ...query, atRevision }, signal);
    },
  }),
  "loses a write that it acknowledged": (catalog, random) => ({
    ...catalog,
    txn: async (transaction, signal) => {
      if (random.next() > 0.05) return await catalog.txn(transaction, signal);
      const { compares } = transaction;
      return await catalog.txn({ compares, operations: [] }, signal);
    },
  }),
  "makes a write twice": (catalog, random) => ({
    ...catalog,
    txn: async (transaction, signal) => {
      const result = await catalog.txn(transaction, signal);
      const again = { compares: [], operations: transaction.operations };
      if (result.kind === "committed" && random.next() < 0.05)
        void delay(2).then(() => catalog.txn(again));
      return result;
    },
  }),
};
for (const [name, misbehave] of Object.entries(MISBEHAVIOURS))
  test(`a catalog that ${name} is found out`, async (t) => {
    const random = seededRandom(name);
    const catalog = misbehave(await openMemory(t), random);
    const clients = Array.from({ length: CLIENTS }, () => slowed(catalog));
    const history = await recordHistory(clients, random, (answered) => answered >= 1_500);
    assert.ok(isAnyViolated(history));
  });

/** Some turns of the event loop for each call, so that calls of several clients overlap and a late write finds others made. */
const slowed = (catalog: Catalog): Catalog => ({
  ...catalog,
  txn: async (transaction, signal) => {
    await delay(0);
    return await catalog.txn(transaction, signal);
  },
  range: async (query, signal) => {
    await delay(0);
    return await catalog.range(query, signal);
  },
});

test("what several clients of a catalog process see is linearizable while it is killed again and again", async (t) => {
  const process = await catalogProcess(t);
  await process.start();
  const clients = Array.from({ length: CLIENTS }, () => process.connect({ callTimeoutMs: 3_000 }));
  const random = seededRandom("remote history");
  let answered = 0;
  const recording = recordHistory(clients, random, (callsAnswered) => {
    answered = callsAnswered;
    return answered >= (KILLS + 1) * CALLS_BETWEEN_KILLS;
  });
  for (let kills = 1; kills <= KILLS; kills++) {
    await until(() => answered >= kills * CALLS_BETWEEN_KILLS, "calls between the kills");
    await delay(random.next() * 5);
    await process.kill("SIGKILL");
    await process.start();
  }
  const history = await recording;
  t.diagnostic(describeHistory(history));
  assert.ok(history.count("swapped") > 100 && history.count("conflict") > 10);
  assertLinearizable(history);
});
