import {
  FUNCTION_GROUPS,
  type GroupedKinds,
  groupNameOf,
  type GroupPart,
  type RecoverableRecord,
  type RecoveryGroup,
  SECRET_GROUPS,
  SINGLE_KINDS,
} from "../../core/replica/plan-recovery.ts";
import type { ReplicaReads } from "./replica-store.ts";
import type { StrandedRecord } from "./replica-tables.ts";

const PAGE_RECORDS = 1_000;

/** What is stranded, in the order in which it can be written back; groups that the catalog has since contradicted are left out. */
export function* recoverableGroups(reads: ReplicaReads): Generator<RecoveryGroup, void> {
  for (const kind of SINGLE_KINDS)
    for (const record of allStranded(reads, kind))
      if (!record.isSuperseded) yield [toRecoverable(reads, record)];
  yield* namedGroups(reads, SECRET_GROUPS);
  yield* namedGroups(reads, FUNCTION_GROUPS);
}

function* namedGroups(
  reads: ReplicaReads,
  { kinds, keysOf }: GroupedKinds,
): Generator<RecoveryGroup, void> {
  const names = new Set<string>();
  for (const kind of kinds)
    for (const { key } of allStranded(reads, kind)) names.add(groupNameOf(kind, key));
  for (const text of names) {
    const [tenant = "", name = ""] = text.split("/");
    const records = keysOf(tenant, name).flatMap((part) => strandedIn(reads, part));
    const isContradicted = records.some(({ isSuperseded }) => isSuperseded);
    if (!isContradicted) yield records.map((record) => toRecoverable(reads, record));
  }
}

function strandedIn(reads: ReplicaReads, part: GroupPart): readonly StrandedRecord[] {
  if (part.kind === "prefix") return [...allStranded(reads, part.prefix)];
  return reads.strandedPage(part.key, "", 1).filter(({ key }) => key === part.key);
}

function* allStranded(reads: ReplicaReads, prefix: string): Generator<StrandedRecord, void> {
  let afterKey = "";
  for (;;) {
    const page = reads.strandedPage(prefix, afterKey, PAGE_RECORDS);
    yield* page;
    if (page.length < PAGE_RECORDS) return;
    afterKey = page.at(-1)?.key ?? afterKey;
  }
}

const toRecoverable = (reads: ReplicaReads, { key, value }: StrandedRecord): RecoverableRecord => ({
  key,
  value,
  replacesRevision: reads.copyOf(key)?.modRevision ?? null,
});
