import { setImmediate } from "node:timers/promises";
import { prefixes } from "#lib/contracts/catalog-keys.ts";
import { permittedZones } from "#lib/residency.ts";
import { readCodeUse } from "../../core/code/read-code-use.ts";
import {
  type CodeTending,
  type CodeUse,
  isHandedOver,
  planCodeTending,
} from "../../core/code/plan-code-tending.ts";
import { zonesWithCode } from "../../core/code/code-zones.ts";
import type { ApiPorts } from "../api/api-context.ts";
import { type Loop, runLoop } from "../run-loop.ts";
import { obtainCode, peersWithCode } from "./spread-code.ts";

const INTERVAL_MS = 15_000;
/** Reading very many versions is followed by so much rest that it stays below 5 % of a core. */
const REST_FACTOR = 20;
const VERSIONS_A_PAGE = 1_000;
/** A replica that has not heard the catalog for longer may not know the version that an archive is for. */
const REPLICA_AGE_MAX_MS = 10_000;
/** Archives fetched, and handed over, in one turn; the next turn goes on. */
const FETCHES_MAX = 20;
const HAND_OVERS_MAX = 20;

type TendingPorts = Pick<
  ApiPorts,
  | "codeStore"
  | "federation"
  | "client"
  | "replica"
  | "clock"
  | "log"
  | "zone"
  | "zones"
  | "mayCollectCode"
>;

/**
 * Keeps this zone's store as the catalog wants it: fetches what it missed, looks for damage an archive at a time, and sweeps away
 * what nothing can refer to, as long as the replica surely knows all that refers.
 */
export function tendCode(ports: TendingPorts, signal: AbortSignal): Loop {
  const { codeStore, clock, log } = ports;
  let paceMs = INTERVAL_MS;
  let checked: string | undefined;
  return runLoop({ name: "tend-code", intervalMs: () => paceMs, clock, log, signal }, async () => {
    // Before the versions are read: what is asked for meanwhile has another claim, and is left alone.
    const stored = await codeStore.list();
    const startedAtMs = clock.nowMs();
    const { uses, areAllRead } = await readUses(ports, signal);
    paceMs = Math.max(INTERVAL_MS, REST_FACTOR * (clock.nowMs() - startedAtMs));
    const mayCollect = areAllRead && mayCollectNow(ports);
    const { zonesHeld } = codeStore.place;
    const plan = planCodeTending({ zonesHeld, uses, stored, mayCollect });
    await remove(ports, plan);
    await handOver(ports, plan, signal);
    await fetchMissing(ports, plan, signal);
    checked = nextAfter(stored.map(({ digest }) => digest).toSorted(), checked);
    if (checked !== undefined) await codeStore.check(checked);
  });
}

const mayCollectNow = ({ replica, mayCollectCode }: TendingPorts): boolean =>
  replica.ageMs() <= REPLICA_AGE_MAX_MS && mayCollectCode();

/** What all versions use, read in pages so that a large catalog holds up nobody. */
async function readUses(
  { replica, zones }: TendingPorts,
  signal: AbortSignal,
): Promise<{ readonly uses: readonly CodeUse[]; readonly areAllRead: boolean }> {
  const uses = new Map<string, CodeUse>();
  let areAllRead = true;
  let afterKey = "";
  for (;;) {
    const page = replica.page(prefixes.versions, afterKey, VERSIONS_A_PAGE);
    for (const { key, value } of page) {
      afterKey = key;
      const use = readCodeUse(value);
      if (use === undefined) {
        areAllRead = false;
        continue;
      }
      const allowed = permittedZones(use.regions, zones).map(({ name }) => name);
      uses.set(`${use.digest} ${allowed.join(" ")}`, { digest: use.digest, zones: allowed });
    }
    if (page.length < VERSIONS_A_PAGE) return { uses: [...uses.values()], areAllRead };
    await setImmediate();
    signal.throwIfAborted();
  }
}

async function remove(ports: TendingPorts, plan: CodeTending): Promise<void> {
  for (const { digest, claim } of plan.remove) {
    // A turn takes time: what was so when it was planned must still be so.
    if (!mayCollectNow(ports)) return;
    if (await ports.codeStore.remove(digest, claim))
      ports.log.info({ digest }, "code that no version of this zone uses was removed");
  }
}

/** Code that only other zones may keep goes when enough of them say that they have it. */
async function handOver(
  ports: TendingPorts,
  plan: CodeTending,
  signal: AbortSignal,
): Promise<void> {
  for (const { digest, claim, uses } of plan.handOver.slice(0, HAND_OVERS_MAX)) {
    signal.throwIfAborted();
    const holders = await peersWithCode(ports, digest);
    const areHolding = isHandedOver(uses, (zones) => zonesWithCode(holders, zones));
    if (areHolding && mayCollectNow(ports)) await ports.codeStore.remove(digest, claim);
  }
}

async function fetchMissing(
  ports: TendingPorts,
  plan: CodeTending,
  signal: AbortSignal,
): Promise<void> {
  for (const digest of plan.fetch.slice(0, FETCHES_MAX)) {
    signal.throwIfAborted();
    await obtainCode(ports, digest).catch((error: unknown) =>
      ports.log.warn({ digest, err: error }, "code of a version is missing here"),
    );
  }
}

/** Round and round: the first one after the last. */
const nextAfter = (inOrder: readonly string[], last: string | undefined): string | undefined =>
  inOrder.find((digest) => last === undefined || digest > last) ?? inOrder[0];
