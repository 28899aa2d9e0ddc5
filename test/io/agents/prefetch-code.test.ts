import assert from "node:assert/strict";
import { test } from "node:test";
import { Value } from "typebox/value";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { FunctionRoute } from "#lib/contracts/route-table.ts";
import { latestValue } from "#lib/latest-value.ts";
import type { EntryChange, RouteTable } from "#lib/route-table-state.ts";
import type { CodeCache } from "../../../agents/io/code-cache.ts";
import { prefetchCode } from "../../../agents/io/prefetch-code.ts";
import { manualClock } from "../catalog/support/manual-clock.ts";
import { ZONES } from "../federator-api/zones.ts";

const zone = ZONES[0] ?? assert.fail("there is a zone");
const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;

function route(functionName: string, letter: string, regions: string[] = []): FunctionRoute {
  const manifest = Value.Default(FunctionManifest, { name: functionName, placement: { regions } });
  assert.ok(Value.Check(FunctionManifest, manifest));
  const version = { version: 1, codeDigest: digestOf(letter), codeBytes: 10, manifest };
  return {
    kind: "function",
    tenant: "demo",
    functionName,
    aliases: { live: 1 },
    versions: [version],
  };
}
function tableOf(routes: readonly FunctionRoute[]): RouteTable {
  const entries = new Map(routes.map((one) => [`function/demo/${one.functionName}`, one]));
  return { position: { incarnation: "i", revision: 1 }, digest: "", entries };
}

/** A cache that fetches what it is allowed to, and the feed that leads to it. */
function world(bytesMax = 1_000) {
  const held = new Set<string>();
  const broken = new Set<string>();
  const asked: string[] = [];
  const code: CodeCache = {
    bytesMax,
    has: (digest) => held.has(digest),
    hold: async (digest) => {
      asked.push(digest);
      if (broken.has(digest)) throw new Error("no store could give it");
      held.add(digest);
      return { directory: "/nowhere", release: () => undefined };
    },
    close: async () => {},
  };
  const table = latestValue<RouteTable | undefined>(undefined);
  let listener: ((changes: readonly EntryChange[]) => void) | undefined;
  const onChanges = (its: (changes: readonly EntryChange[]) => void) => {
    listener = its;
    return () => undefined;
  };
  const clock = manualClock();
  const prefetching = prefetchCode({ table, onChanges }, zone, code, clock);
  const announce = async (routes: readonly FunctionRoute[]): Promise<void> => {
    await clock.advance(0);
    const next = tableOf(routes);
    listener?.(
      [...next.entries.keys()].map((key) => ({ key, before: undefined, after: undefined })),
    );
    table.set(next);
    await clock.advance(0);
  };
  return { prefetching, announce, held, broken, asked, clock };
}

test("code that the table names is fetched at once, where it may lie", async () => {
  const { prefetching, announce, asked } = world();
  await announce([route("here", "a", ["eu"]), route("elsewhere", "b", ["us"])]);
  assert.deepEqual(asked, [digestOf("a")]);
  assert.deepEqual(prefetching.missing(), []);
  await prefetching.close();
});

test("code that cannot be fetched is reported missing, and tried again without a new table", async () => {
  const { prefetching, announce, asked, broken, clock } = world();
  broken.add(digestOf("a"));
  await announce([route("one", "a"), route("two", "b")]);
  assert.deepEqual(prefetching.missing(), [digestOf("a")]);
  await clock.advance(5_000);
  assert.deepEqual(prefetching.missing(), [digestOf("a")]);
  broken.clear();
  await clock.advance(5_000);
  assert.deepEqual(prefetching.missing(), []);
  assert.deepEqual(asked, ["a", "b", "a", "a"].map(digestOf));
  await prefetching.close();
});

test("code that a call brought here meanwhile is not missing", async () => {
  const { prefetching, announce, broken, held } = world();
  broken.add(digestOf("a"));
  await announce([route("one", "a")]);
  held.add(digestOf("a"));
  assert.deepEqual(prefetching.missing(), []);
  await prefetching.close();
});

test("what is too much for the cache waits for its call, and is no reason to call the cluster not ready", async () => {
  const { prefetching, announce, asked, broken } = world(30);
  broken.add(digestOf("a"));
  await announce([route("one", "a"), route("two", "b")]);
  assert.deepEqual(asked, [digestOf("a")]);
  assert.deepEqual(prefetching.missing(), [digestOf("a")]);
  await prefetching.close();
});
