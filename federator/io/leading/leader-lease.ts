import type { Logger } from "pino";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { LeaderRecord } from "#lib/contracts/control-records.ts";
import type { Catalog, Compare } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Replica } from "../../ports.ts";
import { holdKey } from "./held-key.ts";
import { readLeader } from "../read-records.ts";

export interface Leadership {
  /** The compare that fences every write of a leader; null while this federator does not surely lead. */
  readonly fence: () => Compare | null;
  /** The token under which it acts now: of two leaders, the later one has the greater. Null while it does not surely lead. */
  readonly actsAs: () => { readonly token: number } | null;
  readonly close: () => Promise<void>;
}

export interface LeadershipOptions {
  readonly catalog: Catalog;
  readonly replica: Pick<Replica, "onApplied">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly zone: string;
  readonly sessionId: string;
  readonly ttlMs: number;
}

/**
 * Stands for leader whenever nobody leads. A leader that was stopped and wakes up too late cannot write: the record it was
 * elected with is gone, and with it the create revision that its writes compare.
 */
export function standForLeader(options: LeadershipOptions): Leadership {
  const { replica, zone, sessionId } = options;
  const key = keys.leader();
  const record: LeaderRecord = { zone, sessionId };
  const seat = holdKey({
    ...options,
    key,
    value: JSON.stringify(record),
    isPredecessor: (found) => {
      const its = readLeader(found)?.value;
      return its?.zone === zone && its.sessionId !== sessionId;
    },
    succession: "depose",
  });
  const stopListening = replica.onApplied(({ changes }) => {
    if (changes.some((change) => change.kind === "delete" && change.key === key)) seat.wake();
  });
  return {
    fence: () => {
      const held = seat.held();
      return held && { kind: "created-at", key, revision: held.createRevision };
    },
    actsAs: () => {
      const held = seat.held();
      return held && { token: held.createRevision };
    },
    close: async () => {
      stopListening();
      await seat.close("revoke");
    },
  };
}
