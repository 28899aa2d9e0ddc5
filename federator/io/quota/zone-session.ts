import type { Logger } from "pino";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { ZoneSessionRecord } from "#lib/contracts/quota-records.ts";
import type { Catalog, Compare } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { holdKey } from "../leading/held-key.ts";

export interface ZoneSession {
  /** For how much longer this zone may spend its leases, as the catalog has them at that revision. */
  readonly leaseValidForMs: (asOfRevision: number) => number;
  /** The compare by which a write of this zone proves that it still is this process's; null while that is not certain. */
  readonly fence: () => Compare | null;
  readonly close: () => Promise<void>;
}

export interface ZoneSessionOptions {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly zone: string;
  readonly sessionId: string;
  readonly ttlMs: number;
  /** After each renewal, and each loss. */
  readonly onRenewed: () => void;
}

/** Keeps the zone's session alive: the one renewal on which all its quota leases hang. */
export function keepZoneSession(options: ZoneSessionOptions): ZoneSession {
  const { clock, zone, sessionId } = options;
  const record: ZoneSessionRecord = { zone, sessionId, startedAtMs: clock.wallMs() };
  const key = keys.zoneSession(zone);
  const session = holdKey({
    ...options,
    key,
    value: JSON.stringify(record),
    // One federator a zone: whatever stands there was left by the one before.
    isPredecessor: () => true,
    succession: "replace",
    onChange: options.onRenewed,
  });
  return {
    leaseValidForMs: (asOfRevision) => {
      const held = session.held();
      // Between two sessions others may have taken the leases back: what is older would not know.
      if (held === null || asOfRevision < held.writtenAt) return 0;
      return session.validForMs();
    },
    fence: () => {
      const held = session.held();
      return held && { kind: "modified-at", key, revision: held.writtenAt };
    },
    // Never revoked: gateways may still spend, and the others count from the moment it vanishes.
    close: () => session.close("let-expire"),
  };
}
