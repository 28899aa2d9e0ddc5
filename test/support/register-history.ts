import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { MeridianError } from "#lib/errors.ts";
import type { Random } from "#lib/ports/random.ts";
import type { Catalog, Compare } from "#lib/ports/catalog.ts";
import { isLinearizable, type RegisterCall } from "./linearizability.ts";

const REGISTERS = 6;
/** After a failure, so that an outage is not all of the history. */
const REST_MS = 10;

export interface RegisterHistory {
  /** By register. */
  readonly calls: readonly RegisterCall[][];
  /** How often each kind of call is in it, and how many writes were said not to have been made. */
  readonly count: (kind: RegisterCall["action"]["kind"] | "not-made") => number;
}

/**
 * Clients that read and compare-and-set a few registers of one catalog until told to stop, each through its own driver. Every value is
 * written at most once, so a record's revision stands for its value.
 */
export async function recordHistory(
  clients: readonly Catalog[],
  random: Random,
  isOver: (callsAnswered: number) => boolean,
): Promise<RegisterHistory> {
  const calls: RegisterCall[][] = Array.from({ length: REGISTERS }, () => []);
  let callsAnswered = 0;
  let notMade = 0;

  const run = async (catalog: Catalog, client: number): Promise<void> => {
    const known = new Map<number, { value: string | null; revision: number }>();
    for (let turn = 0; !isOver(callsAnswered); turn++) {
      const register = Math.floor(random.next() * REGISTERS);
      const seen = known.get(register);
      const calledAtMs = performance.now();
      const note = (action: RegisterCall["action"], returnedAtMs = performance.now()): void => {
        if (action.kind !== "unknown") callsAnswered += 1;
        calls[register]?.push({ calledAtMs, returnedAtMs, action });
      };
      const key = `register/${register}`;
      const to = `${client}-${turn}`;
      const isRead = seen === undefined || random.next() < 0.4;
      try {
        if (isRead) {
          const page = await catalog.range({ prefix: key });
          assert.ok(page.kind === "page");
          const record = page.records.find((record) => record.key === key);
          known.set(register, { value: record?.value ?? null, revision: record?.modRevision ?? 0 });
          note({ kind: "read", value: record?.value ?? null });
          continue;
        }
        const compare: Compare =
          seen.value === null
            ? { kind: "absent", key }
            : { kind: "modified-at", key, revision: seen.revision };
        const operations = [{ kind: "put", key, value: to }] as const;
        const result = await catalog.txn({ compares: [compare], operations });
        if (result.kind === "committed") {
          known.set(register, { value: to, revision: result.revision });
          note({ kind: "swapped", from: seen.value, to });
        } else {
          known.delete(register);
          note({ kind: "conflict", from: seen.value });
        }
      } catch (error) {
        assert.ok(error instanceof MeridianError, String(error));
        const isUnknown = error.code === "MERIDIAN_WRITE_AMBIGUOUS";
        assert.ok(isUnknown || error.code === "MERIDIAN_CATALOG_UNAVAILABLE", String(error));
        if (isUnknown && seen !== undefined)
          note({ kind: "unknown", from: seen.value, to }, Number.POSITIVE_INFINITY);
        else if (!isRead) notMade += 1;
        known.delete(register);
        await delay(REST_MS);
      }
    }
  };
  await Promise.all(clients.map(run));
  return {
    calls,
    count: (kind) =>
      kind === "not-made"
        ? notMade
        : calls.flat().filter(({ action }) => action.kind === kind).length,
  };
}

export function assertLinearizable({ calls }: RegisterHistory): void {
  for (const [register, history] of calls.entries())
    assert.ok(isLinearizable(history), `register ${register}:\n${JSON.stringify(history)}`);
}

/** Whether the checker finds fault with at least one register: for stores that are made to misbehave. */
export const isAnyViolated = ({ calls }: RegisterHistory): boolean =>
  !calls.every((history) => isLinearizable(history));

export const describeHistory = ({ count }: RegisterHistory): string =>
  (["read", "swapped", "conflict", "unknown", "not-made"] as const)
    .map((kind) => `${count(kind)} ${kind}`)
    .join(", ");
