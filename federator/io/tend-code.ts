import { prefixes } from "#lib/contracts/catalog-keys.ts";
import { planCodeTending } from "../core/plan-code-tending.ts";
import type { ApiPorts } from "./api-context.ts";
import { readVersion, valuesOf } from "./read-records.ts";
import { type Loop, runLoop } from "./run-loop.ts";
import { obtainCode } from "./spread-code.ts";

const INTERVAL_MS = 15_000;
/** A replica that has not heard the catalog for longer may not know the version that an archive is for. */
const REPLICA_AGE_MAX_MS = 10_000;
/** Archives fetched in one turn; the next turn goes on. */
const FETCHES_MAX = 20;

type TendingPorts = Pick<
  ApiPorts,
  "codeStore" | "federation" | "client" | "replica" | "clock" | "log" | "zone" | "zones"
>;

/** Keeps this zone's store as the catalog wants it: fetches what it missed, sweeps away what nobody uses. */
export function tendCode(ports: TendingPorts, signal: AbortSignal): Loop {
  const { codeStore, replica, clock, log, zone, zones } = ports;
  return runLoop({ name: "tend-code", intervalMs: INTERVAL_MS, clock, log, signal }, async () => {
    if (replica.ageMs() > REPLICA_AGE_MAX_MS) return;
    const stored = await codeStore.list();
    const versions = valuesOf(replica.list(prefixes.versions), readVersion);
    const plan = planCodeTending(zone, zones, versions, stored, clock.wallMs());
    for (const digest of plan.remove) {
      await codeStore.remove(digest);
      log.info({ digest }, "code that no version of this zone uses was removed");
    }
    for (const digest of plan.fetch.slice(0, FETCHES_MAX)) {
      signal.throwIfAborted();
      await obtainCode(ports, digest).catch((error: unknown) =>
        log.warn({ digest, err: error }, "code of a version is missing here"),
      );
    }
  });
}
