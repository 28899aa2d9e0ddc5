import type { Logger } from "pino";
import { changedKey } from "#lib/catalog/history.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { Catalog, WatchEvent } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import type { Removals } from "../../core/replica/diff-snapshot.ts";
import {
  judgeCatalog,
  type RefusalCode,
  type SeenCatalog,
} from "../../core/replica/judge-catalog.ts";
import {
  federationOperation,
  findContinuation,
  lookAtCatalog,
  newFederationId,
} from "./identify-catalog.ts";
import type { ReplicaState } from "./replica-state.ts";
import { type Loop, runLoop } from "../run-loop.ts";
import { takeSnapshot } from "./take-snapshot.ts";

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;
/** While an operator has to decide, the catalog is looked at again so often. */
const UNDECIDED_RETRY_MS = 5_000;
/** The same where it is refused, which costs no more than a look: once it has its name again, the zone follows soon. */
const REFUSED_RETRY_MS = 1_000;
/** A catalog that is behind its replica is believed only when it says so again and again: one answer may come from a lagging member. */
const BEHIND_LOOKS_MIN = 3;

export interface TailOptions {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** An operator's word that a catalog which lost many functions is right. */
  readonly acceptLargeRemovals: boolean;
}

export interface Refusal {
  readonly code: RefusalCode;
  readonly reason: string;
}

export type CatalogHistory = "unknown" | "own" | "another";

export interface Tail {
  /** When the catalog was last heard, in `clock.nowMs()`; minus infinity before that. */
  readonly heardAtMs: () => number;
  /** What a snapshot would have removed, while it waits for an operator; null while nothing waits. */
  readonly heldBack: () => Removals | null;
  /** Why this catalog is not followed; null while it is. */
  readonly refusal: () => Refusal | null;
  /** Resolves once the catalog was looked at, or could not be. */
  readonly looked: Promise<void>;
  /** Whether the catalog goes on from what is here; `another` until what a restored one lost is known. */
  readonly history: () => CatalogHistory;
  /** How many times following it has ended. */
  readonly turns: () => number;
  /** An operator's word on what is held back: as many removals are taken, once. False when nothing waits. */
  readonly accept: () => boolean;
  /** Looks at the catalog now rather than after the pause. */
  readonly wake: () => void;
  /** Resolves after the signal; never rejects. */
  readonly ended: Promise<void>;
}

/** What the tail remembers from one look at the catalog to the next. */
interface Course {
  heardAtMs: number;
  heldBack: Removals | null;
  refusal: Refusal | null;
  /** How many removals an operator has accepted. */
  accepted: number;
  failures: number;
  behindLooks: number;
  history: CatalogHistory;
  turns: number;
}

/** Brings the replica to the catalog's newest revision and keeps it there: step by step, or by a snapshot where a step is gone. */
export function tailCatalog(state: ReplicaState, options: TailOptions, signal: AbortSignal): Tail {
  const { clock, random, log } = options;
  const looked = Promise.withResolvers<void>();
  const course: Course = {
    heardAtMs: Number.NEGATIVE_INFINITY,
    heldBack: null,
    refusal: null,
    accepted: 0,
    failures: 0,
    behindLooks: 0,
    history: "unknown",
    turns: 0,
  };
  const pauseMs = (): number => {
    if (course.heldBack !== null) return UNDECIDED_RETRY_MS;
    if (course.refusal !== null) return REFUSED_RETRY_MS;
    return random.next() * Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** course.failures);
  };
  const loop: Loop = runLoop(
    { name: "tail the catalog", intervalMs: pauseMs, clock, log, signal },
    async () => {
      const startedAtMs = clock.nowMs();
      try {
        await follow(state, options, course, looked.resolve, signal);
      } finally {
        looked.resolve();
        course.turns += 1;
        course.failures =
          clock.nowMs() - startedAtMs > RETRY_MAX_MS ? 0 : Math.min(course.failures + 1, 10);
      }
    },
  );
  return {
    heardAtMs: () => course.heardAtMs,
    heldBack: () => course.heldBack,
    refusal: () => course.refusal,
    looked: looked.promise,
    history: () => course.history,
    turns: () => course.turns,
    accept: () => {
      if (course.heldBack === null) return false;
      course.accepted = course.heldBack.removed;
      loop.wake();
      return true;
    },
    wake: loop.wake,
    ended: loop.ended,
  };
}

/** Until the stream ends, or something has to be decided anew. */
async function follow(
  state: ReplicaState,
  options: TailOptions,
  course: Course,
  onLooked: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { catalog, clock } = options;
  const seen = await lookAtCatalog(catalog, signal);
  course.heardAtMs = clock.nowMs();
  if (!(await isOurs(state, options, course, seen, signal))) {
    course.history = "unknown";
    return;
  }
  onLooked();

  const { incarnation } = seen.position;
  const own = { ...state.stored(), cursor: state.cursor(), copyOf: state.reads.copyOf };
  const continuation = await findContinuation(catalog, own, seen, signal);
  course.history = continuation === "restored" ? "another" : "own";
  if (continuation === "restored" && !isBelieved(state, course, seen)) return;
  if (continuation !== "continued") {
    const isRestored = continuation === "restored";
    if (!(await copy(state, options, course, incarnation, isRestored, signal))) return;
  }
  course.history = "own";
  course.heldBack = null;
  course.accepted = 0;

  const afterRevision = state.cursor()?.revision ?? 0;
  for await (const event of catalog.watch({ prefix: "", afterRevision }, signal)) {
    course.heardAtMs = clock.nowMs();
    if (event.incarnation !== incarnation) return;
    if (event.kind === "compacted") {
      await copy(state, options, course, incarnation, false, signal);
      return;
    }
    if (await applyEvent(state, event)) continue;
    // At once: until it is refused, the others write to it.
    await isOurs(state, options, course, await lookAtCatalog(catalog, signal), signal);
    return;
  }
}

/** False: the catalog says something new of what it is, which is judged before it is followed. */
async function applyEvent(
  state: ReplicaState,
  event: Exclude<WatchEvent, { readonly kind: "compacted" }>,
): Promise<boolean> {
  const { incarnation, revision } = event;
  const changes = event.kind === "revision" ? event.changes : [];
  if (revision <= (state.cursor()?.revision ?? 0)) return true;
  const before = state.reads.copyOf(keys.federation())?.value;
  const renamed = changes.some(
    (change) =>
      changedKey(change) === keys.federation() &&
      (change.kind === "delete" || (before !== undefined && change.record.value !== before)),
  );
  if (renamed) return false;
  await state.exclusively(async () => {
    await state.run("apply", { incarnation, revision }, changes);
    state.tell(changes, false);
  });
  return true;
}

/** Whether this is the catalog to follow; gives a new one its name, and remembers the name of the one it follows. */
async function isOurs(
  state: ReplicaState,
  options: TailOptions,
  course: Course,
  seen: SeenCatalog,
  signal: AbortSignal,
): Promise<boolean> {
  const { catalog, clock, random, log } = options;
  const { federationId } = state.stored();
  const judgement = judgeCatalog({ federationId, cursor: state.cursor() }, seen);
  if (judgement.kind === "refused") {
    const { code, reason } = judgement;
    if (course.refusal?.reason !== reason)
      log.error({ code, reason, catalog: seen.position }, "this catalog is not followed");
    course.refusal = { code, reason };
    return false;
  }
  course.refusal = null;
  if (judgement.kind === "name-it") {
    const operation = federationOperation(newFederationId(random), clock.wallMs());
    const compares = [{ kind: "absent", key: operation.key } as const];
    await catalog.txn({ compares, operations: [operation] }, signal);
    // Whoever was first, it has a name now.
    return isOurs(state, options, course, await lookAtCatalog(catalog, signal), signal);
  }
  if (federationId === null)
    await state.exclusively(() => state.run("nameFederation", judgement.federationId));
  return true;
}

function isBelieved(state: ReplicaState, course: Course, seen: SeenCatalog): boolean {
  const cursor = state.cursor();
  const isBehind =
    cursor?.incarnation === seen.position.incarnation && seen.position.revision < cursor.revision;
  course.behindLooks = isBehind ? course.behindLooks + 1 : 0;
  return !isBehind || course.behindLooks >= BEHIND_LOOKS_MIN;
}

/** Whether it was applied; what takes away too much waits. */
async function copy(
  state: ReplicaState,
  options: TailOptions,
  course: Course,
  incarnation: string,
  isRestored: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const { catalog, log, acceptLargeRemovals } = options;
  const mayRemove = ({ removed }: Removals): boolean =>
    acceptLargeRemovals || removed <= course.accepted;
  const heldBack = await takeSnapshot(
    { catalog, state, log, isRestored, incarnation, mayRemove },
    signal,
  );
  if (heldBack !== null && course.heldBack === null)
    log.error(
      { ...heldBack, position: state.position() },
      "the catalog lost many functions: this zone goes on with what it has until `meridian catalog accept`",
    );
  course.heldBack = heldBack;
  return heldBack === null;
}
