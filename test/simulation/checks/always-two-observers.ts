import { changedKey } from "#lib/catalog/history.ts";
import { prefixes } from "#lib/contracts/catalog-keys.ts";
import { readVerdict } from "../../../federator/io/read-records.ts";
import type { Invariant } from "./check.ts";

/** An observation that was told longer ago moves nobody any more, whatever way it took. */
const TOLD_MAX_AGE_MS = 8_000;
/** Who acts on what it has just seen itself tells the others at the next opportunity. */
const TOLD_WITHIN_MS = 1_500;
const ZONES_TO_AGREE = 2;

/** More than all zones tell within the time that counts. */
const ACCUSATIONS_MAX = 200;

interface Accusation {
  readonly zone: string;
  readonly isQualified: boolean;
  readonly atMs: number;
}

/** Told by what the federators said to each other on the network, not by what any of them counted. */
export const twoObservers: Invariant = {
  name: "8 one observer alone never takes a cluster out",
  start: ({ world, broken }) => {
    const accusations = new Map<string, Accusation[]>();
    const isOut = new Map<string, readonly string[]>();
    // Whether the actor itself was fit to judge changes from one moment to the next, and is its own to know.
    const accusers = (clusterId: string, actor: string, sinceMs: number): readonly string[] => {
      const heard = (accusations.get(clusterId) ?? []).filter(
        ({ zone, isQualified, atMs }) => atMs >= sinceMs && (isQualified || zone === actor),
      );
      return [...new Set(heard.map(({ zone }) => zone))];
    };
    const judge = (clusterId: string, actor: string, where: string): void => {
      const sinceMs = world.time.nowMs() - TOLD_MAX_AGE_MS;
      const isAgreed = (): boolean => accusers(clusterId, actor, sinceMs).length >= ZONES_TO_AGREE;
      if (isAgreed()) return;
      const life = world.zone(actor)?.federator();
      world.time.schedule(TOLD_WITHIN_MS, () => {
        const wasInterrupted =
          life !== world.zone(actor)?.federator() || life?.host.state() !== "running";
        if (wasInterrupted || isAgreed()) return;
        const zones = accusers(clusterId, actor, sinceMs).join(" ");
        broken(`${clusterId} was taken out ${where}, and only ${zones || "nobody"} saw it down`);
      });
    };
    return {
      always: (event) => {
        if (event.kind === "told") {
          const { isQualified, clusters } = event.observation;
          const atMs = world.time.nowMs();
          for (const { clusterId, view } of clusters) {
            if (view !== "down") continue;
            const recent = (accusations.get(clusterId) ?? []).slice(-ACCUSATIONS_MAX);
            accusations.set(clusterId, [...recent, { zone: event.zone, isQualified, atMs }]);
          }
        }
        if (event.kind === "overlay") {
          const before = isOut.get(event.gatewayHost) ?? [];
          isOut.set(event.gatewayHost, event.downClusters);
          for (const clusterId of event.downClusters)
            if (!before.includes(clusterId))
              judge(clusterId, event.zone, `of ${event.zone}'s table`);
        }
        if (event.kind === "revision")
          for (const change of event.revision.changes) {
            if (change.kind === "delete" || !changedKey(change).startsWith(prefixes.verdicts))
              continue;
            const verdict = readVerdict(change.record)?.value;
            if (verdict?.state === "down")
              judge(verdict.clusterId, verdict.decidedBy, `by the verdict of ${verdict.decidedBy}`);
          }
      },
    };
  },
};
