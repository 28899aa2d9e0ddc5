import { setTimeout as delay } from "node:timers/promises";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { LeaderRecord } from "#lib/contracts/control-records.ts";
import type { Catalog, Change } from "#lib/ports/catalog.ts";
import { type Deed, WORK_KEY } from "./candidate-plan.ts";

export interface Seated extends LeaderRecord {
  readonly token: number;
}

/** What the one history of the catalog shows of elections and of what leaders did. */
export interface DeedsJudge {
  /** Who holds the seat, as of the last revision. */
  readonly seated: () => Seated | undefined;
  /** How many deeds were accepted under the token. */
  readonly deedsUnder: (token: number) => number;
  readonly deeds: () => number;
  readonly elections: () => number;
  /** What must never be: a deed accepted from anybody but the one who held the seat at that revision. */
  readonly wrongs: readonly string[];
  readonly ended: Promise<void>;
}

/** Follows every revision in order, from the first on, until the signal. */
export function judgeDeeds(catalog: Catalog, signal: AbortSignal): DeedsJudge {
  const wrongs: string[] = [];
  const deedsByToken = new Map<number, number>();
  let seated: Seated | undefined;
  let deeds = 0;
  let elections = 0;

  const judge = (change: Change, revision: number): void => {
    const key = change.kind === "put" ? change.record.key : change.key;
    const value = change.kind === "put" ? change.record.value : undefined;
    if (key === keys.leader()) {
      seated = undefined;
      if (value === undefined) return;
      // Written by the candidates of this test.
      seated = { ...(JSON.parse(value) as LeaderRecord), token: revision };
      elections += 1;
    }
    if (key !== WORK_KEY || value === undefined) return;
    const deed = JSON.parse(value) as Deed;
    deeds += 1;
    deedsByToken.set(deed.token, (deedsByToken.get(deed.token) ?? 0) + 1);
    if (deed.token === seated?.token && deed.sessionId === seated.sessionId) return;
    const holder = seated === undefined ? "nobody" : `${seated.sessionId} by ${seated.token}`;
    wrongs.push(
      `at ${revision} ${deed.sessionId} acted by ${deed.token}; the seat was ${holder}'s`,
    );
  };
  const follow = async (): Promise<void> => {
    let afterRevision = 0;
    while (!signal.aborted)
      try {
        for await (const event of catalog.watch({ prefix: "", afterRevision }, signal)) {
          if (event.kind === "compacted") throw new Error("the history was compacted");
          afterRevision = Math.max(afterRevision, event.revision);
          if (event.kind === "revision")
            for (const change of event.changes) judge(change, event.revision);
        }
      } catch {
        await delay(20);
      }
  };
  return {
    seated: () => seated,
    deedsUnder: (token) => deedsByToken.get(token) ?? 0,
    deeds: () => deeds,
    elections: () => elections,
    wrongs,
    ended: follow(),
  };
}
