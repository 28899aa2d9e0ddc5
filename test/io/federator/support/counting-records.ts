import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";

const BITS = 10;

const record = (key: string, value: string, modRevision: number): CatalogRecord => ({
  key,
  value,
  createRevision: modRevision,
  modRevision,
  leaseId: null,
});

/** All records of a catalog that counts: what it holds follows from its revision alone, so that every mixture of two shows. */
export function recordsAt(revision: number): readonly CatalogRecord[] {
  const bits = Array.from({ length: BITS }, (_, bit) => bit).filter(
    (bit) => (revision >> bit) % 2 === 1,
  );
  return [
    record("a", String(revision), revision),
    ...bits.map((bit) => {
      const setAt = (revision >> bit) << bit;
      return record(`b/${bit}`, String(setAt), setAt);
    }),
    record("c", String(revision), revision),
  ];
}

/** From the revision before to this one. */
export function changesAt(revision: number): readonly Change[] {
  const after = recordsAt(revision);
  const gone = recordsAt(revision - 1).filter(({ key }) => after.every((one) => one.key !== key));
  return [
    ...after
      .filter(({ modRevision }) => modRevision === revision)
      .map((one): Change => ({ kind: "put", record: one })),
    ...gone.map(({ key }): Change => ({ kind: "delete", key })),
  ];
}
