import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CodeUse,
  type CodeView,
  isHandedOver,
  planCodeTending,
  STAGED_KEPT_MS,
} from "../../../../federator/core/code/plan-code-tending.ts";

const use = (digest: string, ...zones: string[]): CodeUse => ({ digest, zones });
const archive = (digest: string, idleMs: number, isSpare = false) => ({
  digest,
  claim: `claim on ${digest}`,
  idleMs,
  isSpare,
});
const old = (digest: string) => archive(digest, STAGED_KEPT_MS + 1);
const fresh = (digest: string) => archive(digest, STAGED_KEPT_MS);

interface Case {
  readonly name: string;
  readonly view: Partial<CodeView>;
  readonly fetch?: readonly string[];
  readonly remove?: readonly string[];
  readonly handOver?: readonly string[];
}
const cases: Case[] = [
  { name: "missing code is fetched", view: { uses: [use("a", "eu")] }, fetch: ["a"] },
  { name: "code that may not lie here is not fetched", view: { uses: [use("a", "us")] } },
  {
    name: "code is not fetched into a bucket that also lies where it may not",
    view: { zonesHeld: ["eu", "us"], uses: [use("a", "eu")] },
  },
  {
    name: "code is fetched by a replica that may not collect, too",
    view: { uses: [use("a", "eu")], mayCollect: false },
    fetch: ["a"],
  },
  { name: "code in use stays, however old", view: { uses: [use("a", "eu")], stored: [old("a")] } },
  { name: "code that no version uses goes", view: { stored: [old("a")] }, remove: ["a"] },
  { name: "code just asked for may wait for its version", view: { stored: [fresh("a")] } },
  {
    name: "nothing goes while the replica may not know every version",
    view: { stored: [old("a"), archive("b", STAGED_KEPT_MS + 1, true)], mayCollect: false },
  },
  {
    name: "code of other zones alone is handed over",
    view: { uses: [use("a", "us")], stored: [old("a")] },
    handOver: ["a"],
  },
  {
    name: "code of other zones alone is not handed over while somebody may deploy it here",
    view: { uses: [use("a", "us")], stored: [fresh("a")] },
  },
  {
    name: "code that another version may keep here stays",
    view: { uses: [use("a", "us"), use("a", "eu", "us")], stored: [old("a")] },
  },
  {
    name: "a bucket in two zones keeps what one of them uses",
    view: { zonesHeld: ["eu", "us"], uses: [use("a", "us")], stored: [old("a")] },
  },
  {
    name: "an older copy goes, and the code in use stays",
    view: { uses: [use("a", "eu")], stored: [old("a"), archive("a", STAGED_KEPT_MS + 1, true)] },
    remove: ["a"],
  },
  {
    name: "an older copy is no reason not to fetch",
    view: { uses: [use("a", "eu")], stored: [archive("a", 0, true)] },
    fetch: ["a"],
  },
];
const digests = (removals: readonly { readonly digest: string; readonly claim: string }[]) =>
  removals.map(({ digest, claim }) => {
    assert.equal(claim, `claim on ${digest}`);
    return digest;
  });
const holdersAre =
  (...holders: string[]) =>
  (zones: readonly string[]) =>
    zones.filter((zone) => holders.includes(zone));
for (const { name, view, fetch = [], remove = [], handOver = [] } of cases)
  test(name, () => {
    const plan = planCodeTending({
      zonesHeld: ["eu"],
      uses: [],
      stored: [],
      mayCollect: true,
      ...view,
    });
    assert.deepEqual(
      { fetch: plan.fetch, remove: digests(plan.remove), handOver: digests(plan.handOver) },
      { fetch, remove, handOver },
    );
  });

test("code is handed over once each of its uses has two holders, or as many as it has zones", () => {
  const uses = [use("a", "us"), use("a", "us", "ap", "sa")];
  assert.equal(isHandedOver(uses, holdersAre()), false);
  assert.equal(isHandedOver(uses, holdersAre("us")), false);
  assert.equal(isHandedOver(uses, holdersAre("ap", "sa")), false);
  assert.equal(isHandedOver(uses, holdersAre("us", "sa")), true);
});
