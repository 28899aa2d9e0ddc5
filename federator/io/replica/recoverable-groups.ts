import { Type } from "typebox";
import { Value } from "typebox/value";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import { VersionRecord } from "#lib/contracts/catalog-records.ts";
import { extensible } from "#lib/contracts/extensible.ts";
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

/** What is stranded and needs nothing else that is, in the order in which it can be written back; groups that the catalog has since contradicted are left out. */
export function* independentGroups(reads: ReplicaReads): Generator<RecoveryGroup, void> {
  for (const kind of SINGLE_KINDS)
    for (const record of allStranded(reads, kind))
      if (!record.isSuperseded) yield [toRecoverable(reads, record)];
  yield* namedGroups(reads, SECRET_GROUPS);
}

/**
 * The functions, once the others are back: a version must not find another value under the number of its secret's revision, so a
 * function is left out while such a revision is stranded still.
 */
export function* functionGroups(reads: ReplicaReads): Generator<RecoveryGroup, void> {
  for (const group of namedGroups(reads, FUNCTION_GROUPS))
    if (!group.some((record) => needsStrandedSecret(reads, record))) yield group;
}

function needsStrandedSecret(reads: ReplicaReads, { key, value }: RecoverableRecord): boolean {
  if (!key.startsWith(prefixes.versions)) return false;
  const [tenant = ""] = groupNameOf(prefixes.versions, key).split("/");
  return Object.entries(secretsNeeded(value)).some(([name, revision]) => {
    const part = { kind: "key", key: keys.secret(tenant, name, revision) } as const;
    return strandedIn(reads, part).length > 0;
  });
}

const NeedingSecrets = Type.Object(
  { secretRevisions: VersionRecord.properties.secretRevisions },
  extensible,
);

/** No more is asked of a version's record: one of a newer program is written back too. */
function secretsNeeded(value: string): Readonly<Record<string, number>> {
  try {
    const version: unknown = JSON.parse(value);
    return Value.Check(NeedingSecrets, version) ? (version.secretRevisions ?? {}) : {};
  } catch {
    return {};
  }
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
