/**
 * A mistake that somebody could make, as a change to the source while it is loaded (see `plant-bug.ts`), and the invariant that has
 * to notice it. Production code has no switch for any of them; a place that reads differently by now is an error.
 */
export interface PlantedBug {
  readonly name: string;
  /** How the invariant's name begins: its number, and what it promises as far as needed. */
  readonly noticedBy: string;
  readonly places: readonly {
    readonly file: string;
    /** As it stands. */
    readonly right: string;
    readonly wrong: string;
  }[];
}

const plant = (
  name: string,
  noticedBy: string,
  file: string,
  right: string,
  wrong: string,
): PlantedBug => ({ name, noticedBy, places: [{ file, right, wrong }] });

export const PLANTED_BUGS: readonly PlantedBug[] = [
  plant(
    "a watch event is lost",
    "2",
    "federator/io/replica/tail-catalog.ts",
    "if (revision <= (state.cursor()?.revision ?? 0)) return true;",
    "if (revision <= (state.cursor()?.revision ?? 0) || revision % 20 === 0) return true;",
  ),
  {
    name: "watch events are delivered again and applied again",
    noticedBy: "2",
    places: [
      {
        file: "federator/io/replica/tail-catalog.ts",
        right: "if (revision <= (state.cursor()?.revision ?? 0)) return true;",
        wrong: "",
      },
      {
        file: "federator/io/replica/tail-catalog.ts",
        right: "const afterRevision = state.cursor()?.revision ?? 0;",
        wrong: "const afterRevision = Math.max(0, (state.cursor()?.revision ?? 0) - 2);",
      },
    ],
  },
  plant(
    "a watch resumes one revision too late",
    "2",
    "federator/io/replica/tail-catalog.ts",
    "const afterRevision = state.cursor()?.revision ?? 0;",
    "const afterRevision = (state.cursor()?.revision ?? 0) + 1;",
  ),
  plant(
    "a write whose answer was lost is sent again",
    "1",
    "federator/io/api/commit-change.ts",
    "const result = await catalog.txn(withChange(transaction, change));",
    "const send = () => catalog.txn(withChange(transaction, change)); const result = await send().catch(send);",
  ),
  {
    name: "a leader never doubts its lease, and its writes are not fenced",
    noticedBy: "3",
    places: [
      {
        file: "lib/catalog/history.ts",
        right: "      return record?.createRevision === compare.revision;",
        wrong: "      return true;",
      },
      {
        file: "federator/io/leading/held-key.ts",
        right: "held: () => (validForMs() > 0 ? holding : null),",
        wrong: "held: () => holding,",
      },
    ],
  },
  plant(
    "a lease is believed in from the arrival of the answer",
    "3",
    "federator/io/leading/held-key.ts",
    "become({ ...current, validUntilMs: sentAtMs + ttlMs * BELIEF_SHARE });",
    "become({ ...current, validUntilMs: clock.nowMs() + ttlMs });",
  ),
  plant(
    "the cursor is written before the data",
    "2",
    "test/simulation/world/replica-disk.ts",
    "        return store.run(call, ...args);",
    `        if (call === "apply") {
          const [position] = args;
          disk.cursor = position;
          await host.clock.sleep(20);
        }
        return store.run(call, ...args);`,
  ),
  plant(
    "a delete is not applied",
    "2",
    "federator/io/replica/replica-engine.ts",
    "if (record === undefined) tables.remove(key);\n    else tables.put(record);",
    "if (record !== undefined) tables.put(record);",
  ),
  plant(
    "what was deleted during a gap comes back: a snapshot removes nothing",
    "2",
    "federator/io/replica/snapshot-session.ts",
    "  into.changed += 1;\n  set(key, found);",
    "  into.changed += 1;\n  if (found !== undefined) set(key, found);",
  ),
  plant(
    "an alias is written without a comparison",
    "4",
    "federator/core/functions/plan-alias-move.ts",
    "const compares = [modifiedAt(aliasKey, current), ...versionsThere];",
    "const compares: typeof versionsThere = [];",
  ),
  {
    name: "what a delta removes stays, and the digest is not compared",
    noticedBy: "4",
    places: [
      {
        file: "lib/route-table-state.ts",
        right: "new Set([...frame.removed, ...upserts.keys()])",
        wrong: "upserts.keys()",
      },
      {
        file: "lib/route-table-state.ts",
        right: "return actual === digest",
        wrong: "return actual !== ''",
      },
    ],
  },
  {
    name: "a delta is made for another base than the receiver has, and the digest is not compared",
    noticedBy: "8 equal positions",
    places: [
      {
        file: "federator/core/feed/delta-log.ts",
        right:
          "if (from.revision < baseRevision || from.revision > newestRevision) return undefined;",
        wrong: "",
      },
      {
        file: "lib/route-table-state.ts",
        right: "return actual === digest",
        wrong: "return actual !== ''",
      },
    ],
  },
  plant(
    "a delta is applied by half",
    "6",
    "lib/route-table-state.ts",
    "      else entries.set(key, after);",
    '      else if (!key.startsWith("function/")) entries.set(key, after);',
  ),
  plant(
    "a gateway does not keep its table on disk",
    "7",
    "lib/io/follow-feed.ts",
    "disk.changed()",
    "undefined",
  ),
  plant(
    "a verdict is written without a comparison",
    "8 each verdict",
    "federator/io/verdicts/verdict-transaction.ts",
    'record === undefined ? absent(key) : { kind: "modified-at", key, revision: recordRevision },',
    "",
  ),
  plant(
    "an overlay never ends",
    "8 after healing no overlay",
    "federator/io/verdicts/health.ts",
    "overlay.set(next);",
    "overlay.set([...new Set([...overlay.get(), ...next])]);",
  ),
  plant(
    "one observer is enough for the overlay",
    "8 one observer",
    "federator/core/verdicts/weigh-evidence.ts",
    "const ZONES_TO_AGREE = 2;",
    "const ZONES_TO_AGREE = 1;",
  ),
  plant(
    "the overlay takes out the last cluster",
    "8 the last cluster",
    "federator/core/verdicts/weigh-evidence.ts",
    "if (accused.length < inService.length) return accused.toSorted();",
    "return accused.toSorted();",
  ),
  plant(
    "grants are made out of what the floors hold",
    "5",
    "federator/core/quota/plan-grants.ts",
    "free - floorMillionths - leaseMillionths,",
    "free - leaseMillionths + 0 * floorMillionths,",
  ),
  plant(
    "a lease is spent after its end",
    "5",
    "federator/io/quota/zone-session.ts",
    "return session.validForMs();",
    "return session.validForMs() + 5_000;",
  ),
  plant(
    "a gateway counts a lease from when it reads of it",
    "5",
    "lib/io/follow-feed.ts",
    "Math.min(asOfMs ?? nowMs, nowMs);",
    "(asOfMs === undefined ? nowMs : nowMs);",
  ),
  plant(
    "a lease is given away before the gateways have acknowledged the decrease",
    "5",
    "federator/io/quota/lower-leases.ts",
    "if (!mayLower() || rights.leaseHeld(tenant) > leaseMillionths) return;",
    "",
  ),
  plant(
    "a zone that comes back spends leases of which it does not know that others have them now",
    "5",
    "federator/io/quota/zone-session.ts",
    "if (held === null || asOfRevision < held.writtenAt) return 0;",
    "if (held === null) return 0 * asOfRevision;",
  ),
  plant(
    "the plan is made from the input that was there at the start",
    "8 equal positions",
    "federator/io/typed-records.ts",
    "planInput: () => readPlanInput(get(keys.planInput()))?.value,",
    'planInput: ((first) => () => (first ??= readPlanInput(get(keys.planInput()))?.value))(undefined as ReturnType<RecordReader["planInput"]>),',
  ),
  plant(
    "a table depends on more than the records",
    "8 equal positions",
    "federator/core/feed/compile-routes.ts",
    '    weightPercent: state === "up" ? rampPercent : 0,',
    "    weightPercent: performance.now() % 1 < 0.5 ? rampPercent : 0,",
  ),
];

/** Worlds that showed a bug when this was written, tried first; the others are shown by the very first world. */
export const LIKELY_SEEDS: ReadonlyMap<string, number> = new Map([
  ["a write whose answer was lost is sent again", 6],
  ["a leader never doubts its lease, and its writes are not fenced", 8],
  ["a lease is believed in from the arrival of the answer", 8],
  ["the cursor is written before the data", 14],
  ["what was deleted during a gap comes back: a snapshot removes nothing", 4],
  ["an alias is written without a comparison", 2],
  ["a delta is made for another base than the receiver has, and the digest is not compared", 17],
  ["the overlay takes out the last cluster", 5],
  ["a lease is spent after its end", 3],
  ["a gateway counts a lease from when it reads of it", 3015],
  ["a lease is given away before the gateways have acknowledged the decrease", 30],
]);
