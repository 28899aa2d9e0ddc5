import type { Logger } from "pino";
import type { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import type { CatalogRecovery, CatalogZone } from "#lib/contracts/catalog-status.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { withChange } from "../../core/transactions.ts";
import { recoverCatalog } from "./recover-catalog.ts";
import type { RepairTally } from "./repair-records.ts";
import { digestOf } from "./replica-digests.ts";
import type { RunningReplica } from "./replica.ts";

const NAMED_KEYS_MAX = 20;
/** How long an accepted snapshot may take to be applied before the answer says that it is still held back. */
const ACCEPT_TIMEOUT_MS = 10_000;

export interface CatalogDeskOptions {
  readonly zone: string;
  /** As it is, refused or not: recovering an emptied one writes to it. */
  readonly catalog: Catalog;
  /** The same, but only while it is this federation's. */
  readonly guarded: Catalog;
  readonly replica: RunningReplica;
  readonly repairs: () => RepairTally;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What an operator sees of this zone's copy of the catalog, and decides on it; each decision enters the audit of all zones. */
export interface CatalogDesk {
  readonly status: () => CatalogZone;
  readonly recover: (change: ChangeRecord, signal: AbortSignal) => Promise<CatalogRecovery>;
  readonly discard: (change: ChangeRecord, signal: AbortSignal) => Promise<CatalogZone>;
  readonly accept: (change: ChangeRecord, signal: AbortSignal) => Promise<CatalogZone>;
}

export function openCatalogDesk(options: CatalogDeskOptions): CatalogDesk {
  const { zone, guarded, replica, clock, log } = options;
  const { state } = replica;
  const status = (): CatalogZone => describe(options);
  const tellAudit = async (change: ChangeRecord, signal: AbortSignal): Promise<void> => {
    await guarded.txn(withChange({ compares: [], operations: [] }, change), signal);
  };
  let recovering: Promise<CatalogRecovery> | undefined;
  return {
    status,
    recover: async (change, signal) => {
      // One at a time: a second caller gets what the first one is doing.
      recovering ??= recoverCatalog(options, change, signal).finally(() => {
        recovering = undefined;
      });
      return recovering;
    },
    discard: async (change, signal) => {
      const { count } = replica.stranded();
      if (count === 0) throw nothingToDo(`${zone} has no stranded records`);
      await tellAudit({ ...change, detail: { ...change.detail, records: count } }, signal);
      await state.exclusively(async () => {
        await state.run("dropStranded");
        state.tell([], true);
      });
      log.warn({ count }, "the stranded records were discarded");
      return status();
    },
    accept: async (change, signal) => {
      const heldBack = replica.heldBack();
      if (heldBack === null) throw nothingToDo(`${zone} holds nothing back`);
      await tellAudit({ ...change, detail: { ...change.detail, ...heldBack } }, signal);
      replica.accept();
      const endsAtMs = clock.nowMs() + ACCEPT_TIMEOUT_MS;
      while (replica.heldBack() !== null && clock.nowMs() < endsAtMs) await clock.sleep(50, signal);
      return status();
    },
  };
}

function describe({ zone, replica, repairs }: CatalogDeskOptions): CatalogZone {
  const { position, stranded, sums } = replica.state.stored();
  const ageMs = replica.ageMs();
  const heldBack = replica.heldBack();
  const { served, superseded } = stranded;
  return {
    zone,
    position: position ?? null,
    ageMs: Number.isFinite(ageMs) ? ageMs : null,
    digest: position === undefined || sums === undefined ? null : digestOf(sums),
    stranded: {
      served,
      superseded,
      keys: replica.state.reads.strandedPage("", "", NAMED_KEYS_MAX).map(({ key }) => key),
    },
    heldBack: heldBack && { removed: heldBack.removed, held: heldBack.held },
    refusal: replica.refusal(),
    repairs: repairs(),
  };
}

const nothingToDo = (why: string): MeridianError =>
  new MeridianError("MERIDIAN_CONFLICT", `There is nothing to decide: ${why}.`);
