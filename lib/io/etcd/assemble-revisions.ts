import type { IEvent, IWatchResponse } from "etcd3";
import { changedKey, type Revision } from "#lib/catalog/history.ts";
import { type EtcdKeys, toRevision } from "#lib/io/etcd/etcd-keys.ts";
import type { Change } from "#lib/ports/catalog.ts";

/**
 * Whole revisions out of a stream's responses. A large response comes in fragments, which may end within a revision: that one is
 * held back until its rest has come. Takes nothing at or before `afterRevision`.
 */
export function assembleRevisions(
  keys: EtcdKeys,
  afterRevision: number,
): (response: Pick<IWatchResponse, "events" | "fragment">) => readonly Revision[] {
  let newest = afterRevision;
  let partial: { readonly revision: number; readonly changes: Change[] } | undefined;

  return ({ events, fragment }) => {
    const whole: Revision[] = [];
    const finish = (): void => {
      if (partial === undefined) return;
      newest = partial.revision;
      whole.push({ revision: newest, changes: partial.changes.toSorted(byKey) });
      partial = undefined;
    };
    for (const event of events) {
      const revision = toRevision(event.kv.mod_revision);
      if (revision <= newest) continue;
      if (partial !== undefined && partial.revision !== revision) finish();
      partial ??= { revision, changes: [] };
      partial.changes.push(toChange(event, keys));
    }
    if (!fragment) finish();
    return whole;
  };
}

const toChange = ({ type, kv }: IEvent, keys: EtcdKeys): Change =>
  type === "Put"
    ? { kind: "put", record: keys.toRecord(kv) }
    : { kind: "delete", key: keys.fromKey(kv.key) };

const byKey = (a: Change, b: Change): number => (changedKey(a) < changedKey(b) ? -1 : 1);
