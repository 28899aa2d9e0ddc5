import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { zonesWithCode } from "../../../../federator/core/code/code-zones.ts";
import {
  type CodeUse,
  isHandedOver,
  planCodeTending,
  STAGED_KEPT_MS,
} from "../../../../federator/core/code/plan-code-tending.ts";

/*
 * A small model of three zones with their stores, one catalog and three replicas of it that may lag. Deploys ask stores first and
 * commit later, functions are deleted, zones lose their disks, clocks move. Whatever the order: no code that the catalog refers
 * to is ever gone from all zones.
 */
const ZONES = ["eu", "us", "ap"] as const;
type ZoneName = (typeof ZONES)[number];
const RESIDENCIES: readonly (readonly ZoneName[])[] = [ZONES, ["eu"], ["us", "ap"]];
const DIGESTS = ["a", "b"];

type Step =
  | {
      readonly kind: "ask";
      readonly digest: string;
      readonly at: ZoneName;
      readonly residency: number;
    }
  | { readonly kind: "commit" }
  | { readonly kind: "delete"; readonly index: number }
  | { readonly kind: "follow"; readonly zone: ZoneName }
  | { readonly kind: "tend"; readonly zone: ZoneName }
  | { readonly kind: "lose"; readonly zone: ZoneName }
  | { readonly kind: "wait"; readonly elapsedMs: number };

interface Asked {
  readonly use: CodeUse;
  readonly atMs: number;
}

interface StoredModel {
  readonly claim: string;
  readonly atMs: number;
}

/** Runs steps one after the other; `referred` are the uses that the catalog holds now, `holders` the zones that have the code. */
function newModel() {
  const stores = new Map(ZONES.map((zone) => [zone, new Map<string, StoredModel>()]));
  const replicas = new Map<ZoneName, readonly CodeUse[]>();
  let nowMs = 0;
  let claims = 0;
  let catalog: readonly CodeUse[] = [];
  let deploys: readonly Asked[] = [];
  /** A zone whose disk was lost and that was not filled again: one at a time, as the promise is about one. */
  let lost: ZoneName | undefined;

  const storeOf = (zone: ZoneName) => {
    const store = stores.get(zone);
    assert.ok(store !== undefined);
    return store;
  };
  const claim = (zone: ZoneName, digest: string): void => {
    claims += 1;
    storeOf(zone).set(digest, { claim: String(claims), atMs: nowMs });
  };
  const holders = (digest: string, among: readonly string[]): readonly string[] =>
    zonesWithCode(
      ZONES.filter((zone) => storeOf(zone).has(digest)).map((zone) => ({
        zone,
        place: { id: zone, zonesHeld: [zone] },
      })),
      among,
    );
  const ask = (digest: string, at: ZoneName, zones: readonly ZoneName[]): void => {
    claim(at, digest);
    const reachable = zones.filter((zone) => zone !== lost);
    for (const zone of reachable) claim(zone, digest);
    if (reachable.length >= Math.min(2, zones.length))
      deploys = [...deploys, { use: { digest, zones }, atMs: nowMs }];
  };
  const commit = (): void => {
    const [deploy, ...later] = deploys;
    deploys = later;
    // A deploy gives up long before what it asked for may go.
    if (deploy !== undefined && nowMs - deploy.atMs <= STAGED_KEPT_MS / 2)
      catalog = [...catalog, deploy.use];
  };
  const lose = (zone: ZoneName): void => {
    if (lost !== undefined) return;
    lost = zone;
    storeOf(zone).clear();
    // What counted on that zone and is not committed yet, and what may lie there alone, is not promised.
    deploys = deploys.filter(({ use }) => !use.zones.includes(zone));
    catalog = catalog.filter(({ zones }) => zones.length > 1);
  };
  const tend = (zone: ZoneName): void => {
    const store = storeOf(zone);
    const stored = [...store].map(([digest, { claim: its, atMs }]) => ({
      digest,
      claim: its,
      idleMs: nowMs - atMs,
      isSpare: false,
    }));
    const uses = replicas.get(zone) ?? [];
    const mayCollect = uses === catalog;
    const plan = planCodeTending({ zonesHeld: [zone], uses, stored, mayCollect });
    for (const { digest } of plan.remove) store.delete(digest);
    for (const { digest, uses: its } of plan.handOver)
      if (isHandedOver(its, (zones) => holders(digest, zones))) store.delete(digest);
    for (const digest of plan.fetch) if (holders(digest, ZONES).length > 0) claim(zone, digest);
    if (lost === zone && mayCollect) lost = undefined;
  };
  const run = (step: Step): void => {
    switch (step.kind) {
      case "ask":
        return ask(step.digest, step.at, RESIDENCIES[step.residency] ?? ZONES);
      case "commit":
        return commit();
      case "delete":
        if (catalog.length > 0) catalog = catalog.toSpliced(step.index % catalog.length, 1);
        return;
      case "follow":
        return void replicas.set(step.zone, catalog);
      case "tend":
        return tend(step.zone);
      case "lose":
        return lose(step.zone);
      case "wait":
        nowMs += step.elapsedMs;
    }
  };
  return { run, referred: () => catalog, holders };
}

const zone = fc.constantFrom(...ZONES);
const digest = fc.constantFrom(...DIGESTS);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("ask" as const), digest, at: zone, residency: fc.nat(2) }),
  fc.record({ kind: fc.constant("commit" as const) }),
  fc.record({ kind: fc.constant("delete" as const), index: fc.nat(5) }),
  fc.record({ kind: fc.constant("follow" as const), zone }),
  fc.record({ kind: fc.constant("tend" as const), zone }),
  fc.record({ kind: fc.constant("lose" as const), zone }),
  fc.record({
    kind: fc.constant("wait" as const),
    elapsedMs: fc.constantFrom(1_000, STAGED_KEPT_MS / 3, STAGED_KEPT_MS + 1),
  }),
);

test("no code that the catalog refers to is ever gone from all zones", () => {
  let judged = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const model = newModel();
      for (const one of steps) {
        model.run(one);
        for (const { digest: its, zones } of model.referred()) {
          judged += 1;
          const held = model.holders(its, zones).length > 0;
          assert.ok(held, `${its} is lost after ${JSON.stringify(one)}`);
        }
      }
    }),
    { numRuns: 3_000 },
  );
  assert.ok(judged > 10_000, `the model refers to code, ${judged} times`);
});
