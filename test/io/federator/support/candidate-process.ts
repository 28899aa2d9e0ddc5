import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { openCatalog } from "#lib/io/open-catalog.ts";
import { internalClient } from "#lib/io/internal-client.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import { standForLeader } from "../../../../federator/io/leading/leader-lease.ts";
import { type CandidatePlan, type Deed, WORK_KEY } from "./candidate-plan.ts";

/*
 * Stands for leader, and acts whenever it believes that it leads: decides, thinks for a while, writes. Between the decision and the
 * write anything may happen to it.
 */
const PAUSE_MS = 20;

// The test's own process wrote it.
const plan: CandidatePlan = JSON.parse(process.argv[2] ?? "");
const { zone, sessionId, ttlMs } = plan;
const catalog = await openCatalog(plan.catalog, {
  discovery: {
    list: async () => {
      const { catalogUrl: internal } = plan;
      if (internal === undefined) return [];
      const urls = { internal, admin: internal };
      return [{ program: "catalog", zone: null, pid: 1, bootId: "one", urls }];
    },
  },
  client: internalClient(plan.bootToken),
  clock: systemClock,
  random: systemRandom,
  writerName: `${zone}.candidate`,
  callTimeoutMs: ttlMs * 2,
});
const leadership = standForLeader({
  catalog,
  replica: { onApplied: () => () => undefined },
  clock: systemClock,
  log: pino({ level: "silent" }),
  zone,
  sessionId,
  ttlMs,
});

process.once("disconnect", () => process.exit());
for (;;) {
  await delay(PAUSE_MS);
  const fence = leadership.fence();
  const acting = leadership.actsAs();
  if (fence === null || acting === null) continue;
  await delay(Math.random() * plan.thinksMaxMs);
  const deed: Deed = { sessionId, token: acting.token };
  const compares = plan.isUnfenced ? [] : [fence];
  const operations = [{ kind: "put", key: WORK_KEY, value: JSON.stringify(deed) }] as const;
  const result = await catalog
    .txn({ compares, operations }, AbortSignal.timeout(ttlMs))
    .catch(() => undefined);
  if (result?.kind === "conflict") process.send?.({ kind: "refused" });
}
