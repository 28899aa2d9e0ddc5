import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { Value } from "typebox/value";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { FunctionRoute } from "#lib/contracts/route-table.ts";
import { latestValue } from "#lib/latest-value.ts";
import type { EntryChange, RouteTable } from "#lib/route-table-state.ts";
import { prefetchSecrets } from "../../../agents/io/prefetch-secrets.ts";
import { secretKey, type SecretStore } from "../../../agents/io/secret-store.ts";
import { manualClock } from "../catalog/support/manual-clock.ts";
import { ZONES } from "../federator-api/zones.ts";

const zone = ZONES[0] ?? assert.fail("there is a zone");

/** A function that needs one secret, named after it, in its first revision. */
function needing(functionName: string, regions: string[] = []): FunctionRoute {
  const manifest = Value.Default(FunctionManifest, {
    name: functionName,
    placement: { regions },
    secrets: { PASSWORD: functionName },
  });
  assert.ok(Value.Check(FunctionManifest, manifest));
  const codeDigest = `sha256:${"a".repeat(64)}`;
  const secretRevisions = { [functionName]: 1 };
  const version = { version: 1, codeDigest, codeBytes: 10, manifest, secretRevisions };
  return {
    kind: "function",
    tenant: "demo",
    functionName,
    aliases: { live: 1 },
    versions: [version],
  };
}

/** A store that gets what it is allowed to, and the feed that leads to it. */
function world() {
  const kept = new Set<string>();
  const broken = new Set<string>();
  const asked: string[] = [];
  const store: SecretStore = {
    kept: () => kept,
    keep: async (wanted) => {
      const key = secretKey(wanted);
      asked.push(key);
      if (broken.has(key)) throw new Error("no federator could give it");
      kept.add(key);
    },
    drop: async (key) => void kept.delete(key),
    environmentOf: async () => ({}),
    close: async () => {},
  };
  const table = latestValue<RouteTable | undefined>(undefined);
  let listener: ((changes: readonly EntryChange[]) => void) | undefined;
  const onChanges = (its: (changes: readonly EntryChange[]) => void) => {
    listener = its;
    return () => undefined;
  };
  const clock = manualClock();
  const log = pino({ level: "silent" });
  const prefetching = prefetchSecrets({ table, onChanges }, zone, store, clock, log);
  /** As the feed does it: first what changes, then the table with it. */
  const announce = async (routes: readonly FunctionRoute[]): Promise<void> => {
    await clock.advance(0);
    const entries = new Map(routes.map((one) => [`function/demo/${one.functionName}`, one]));
    const changed = new Set([...(table.get()?.entries.keys() ?? []), ...entries.keys()]);
    listener?.([...changed].map((key) => ({ key, before: undefined, after: undefined })));
    table.set({ position: { incarnation: "i", revision: 1 }, digest: "", entries });
    await clock.advance(0);
  };
  return { prefetching, announce, kept, broken, asked, clock };
}

test("secrets that the table names are fetched at once, where the function may run", async () => {
  const { prefetching, announce, kept } = world();
  await announce([needing("here", ["eu"]), needing("elsewhere", ["us"])]);
  assert.deepEqual([...kept], ["demo.here.1"]);
  await prefetching.close();
});

test("a secret that cannot be had is asked for again without a new table", async () => {
  const { prefetching, announce, kept, broken, asked, clock } = world();
  broken.add("demo.one.1");
  await announce([needing("one"), needing("two")]);
  assert.deepEqual([...kept], ["demo.two.1"]);
  broken.clear();
  await clock.advance(5_000);
  assert.deepEqual([...kept].toSorted(), ["demo.one.1", "demo.two.1"]);
  assert.deepEqual(asked, ["demo.one.1", "demo.two.1", "demo.one.1"]);
  await prefetching.close();
});

test("a secret that nothing needs any more leaves the disk after two minutes, without a new table", async () => {
  const { prefetching, announce, kept, clock } = world();
  await announce([needing("one"), needing("two")]);
  await announce([needing("two")]);
  await clock.advance(119_000);
  assert.deepEqual([...kept].toSorted(), ["demo.one.1", "demo.two.1"]);
  await clock.advance(2_000);
  assert.deepEqual([...kept], ["demo.two.1"]);
  await prefetching.close();
});

test("one that is needed again within that time stays", async () => {
  const { prefetching, announce, kept, asked, clock } = world();
  await announce([needing("one")]);
  await announce([]);
  await clock.advance(60_000);
  await announce([needing("one")]);
  await clock.advance(300_000);
  assert.deepEqual([...kept], ["demo.one.1"]);
  assert.deepEqual(asked, ["demo.one.1"]);
  await prefetching.close();
});
