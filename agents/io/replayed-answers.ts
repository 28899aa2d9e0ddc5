import { ANSWER_HEADERS, REPLAY_KEPT } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import {
  type CallEnding,
  decideReplay,
  type KeptCall,
  keepsAnswer,
  type ReplayRefusal,
} from "../core/decide-replay.ts";
import type { FunctionAnswer, ServedAnswer } from "../core/read-answer.ts";
import type { ReplayKey, ReplaySource } from "../core/replay-key.ts";
import type { StartLeave } from "./exchange.ts";
import { keptStart } from "./kept-start.ts";
import type { ReplayStore } from "./replay-store.ts";

/** A call that has a key. */
export interface KeyedCall {
  readonly key: ReplayKey;
  readonly isIdempotent: boolean;
  readonly requestId: string;
  readonly deadlineAtMs: number;
  readonly callerGone: AbortSignal;
  readonly leave: StartLeave;
  /** The answer that tells of a failure of the platform's. */
  readonly failure: (error: MeridianError, isExecuted: boolean) => FunctionAnswer;
}

export interface Execution {
  readonly answer: ServedAnswer;
  readonly ending: CallEnding;
}

/** Runs the call itself, once `leave` permits it; never rejects. */
export type Execute = (leave: StartLeave, signal: AbortSignal) => Promise<Execution>;

/** Gives all calls with one key the answer of the first. */
export type ReplayedAnswers = (call: KeyedCall, execute: Execute) => Promise<ServedAnswer>;

/** What became of a call with a key; `not-kept`: it ran, and there was no room for the key. */
export type ReplayEvent = "ran" | "not-kept" | "joined" | "replayed" | ReplayRefusal;

export interface ReplayPorts {
  readonly stores: Readonly<Record<ReplaySource, ReplayStore>>;
  readonly clock: Clock;
  /** Calls that wait for the end of another one, of all keys together. */
  readonly joinsMax: number;
  readonly onReplay: (source: ReplaySource, event: ReplayEvent) => void;
}

type ReplayKept = (typeof REPLAY_KEPT)[keyof typeof REPLAY_KEPT];

type Ended =
  | { readonly kind: "answered"; readonly answer: FunctionAnswer; readonly kept: ReplayKept }
  /** There is no answer for others: it did not run after all, or its answer is streamed. The store tells. */
  | { readonly kind: "look-again" };

interface RunningCall {
  readonly fingerprint: string;
  readonly ended: Promise<Ended>;
}

/** While a call runs, those with its key wait for its end; later ones are answered from the store. */
export function replayedAnswers(ports: ReplayPorts): ReplayedAnswers {
  const { stores, clock, onReplay } = ports;
  const running = new Map<string, RunningCall>();
  /** One look at a time for a key, so that what it finds is not overtaken by a call that runs meanwhile. */
  const looking = new Map<string, Promise<KeptCall | undefined>>();
  let joins = 0;

  const lookUp = ({ id, source }: ReplayKey): Promise<KeptCall | undefined> => {
    const pending = looking.get(id);
    if (pending !== undefined) return pending;
    const look = stores[source].find(id).finally(() => looking.delete(id));
    looking.set(id, look);
    return look;
  };

  const run = async (call: KeyedCall, execute: Execute): Promise<ServedAnswer> => {
    const { id, source, fingerprint } = call.key;
    const store = stores[source];
    const ended = Promise.withResolvers<Ended>();
    running.set(id, { fingerprint, ended: ended.promise });
    let end: Ended = { kind: "look-again" };
    try {
      const start = keptStart(call, store);
      const { answer, ending } = await execute(start.leave, start.signal);
      const { hasBegun, isKept } = start.settle();
      if (!hasBegun || !keepsAnswer(ending, call.isIdempotent)) {
        if (isKept) await store.forget(id);
        return answer;
      }
      onReplay(source, isKept ? "ran" : "not-kept");
      // What is streamed goes by once.
      const whole = "stream" in answer ? undefined : answer;
      const isAnswerKept = isKept && (await store.finish(id, whole));
      const kept = isAnswerKept ? REPLAY_KEPT.answer : REPLAY_KEPT[isKept ? "keyAlone" : "nothing"];
      if (whole !== undefined) end = { kind: "answered", answer: whole, kept };
      return told(answer, call.key, kept);
    } finally {
      running.delete(id);
      ended.resolve(end);
    }
  };

  /** Undefined where it has no answer for this one. */
  const join = async (other: RunningCall, call: KeyedCall): Promise<FunctionAnswer | undefined> => {
    if (joins >= ports.joinsMax) return call.failure(tooManyJoined(), true);
    joins += 1;
    try {
      // With this its gateway stops holding it for not begun: on another cluster it would run a second time.
      const leave = call.leave.ask(false);
      if (leave !== true && !(await leave)) return call.failure(withdrawn(), false);
      const end = await endWithin(other.ended, call, clock);
      if (end === undefined) return call.failure(stillRunning(), true);
      if (end.kind === "look-again") return undefined;
      onReplay(call.key.source, "joined");
      return told(replayOf(end.answer, call.requestId), call.key, end.kept);
    } finally {
      joins -= 1;
    }
  };

  const refuse = (call: KeyedCall, reason: ReplayRefusal): FunctionAnswer => {
    onReplay(call.key.source, reason);
    // Of a mistaken key nothing ran; the others' first call did, and must not run elsewhere either.
    const isExecuted = reason !== "other-request";
    const answer = call.failure(refusals[reason](), isExecuted);
    return isExecuted ? withHeaders(answer, { [ANSWER_HEADERS.replayed]: "true" }) : answer;
  };

  return async (call, execute) => {
    const { id, source, fingerprint } = call.key;
    const asked = { fingerprint, isIdempotent: call.isIdempotent };
    for (;;) {
      const other = running.get(id);
      const kept = other === undefined ? await lookUp(call.key) : undefined;
      // Of those that waited for the look, one may have begun.
      if (other === undefined && running.has(id)) continue;

      const known = other === undefined ? kept : { ...other, state: "running" as const };
      const decision = decideReplay(known, asked);
      switch (decision.kind) {
        case "run":
          return run(call, execute);
        case "replay":
          onReplay(source, "replayed");
          return told(replayOf(decision.answer, call.requestId), call.key, REPLAY_KEPT.answer);
        case "refuse":
          return refuse(call, decision.reason);
        case "join": {
          const joined = other && (await join(other, call));
          if (joined !== undefined) return joined;
        }
      }
    }
  };
}

/** The end of the other call; undefined when this one's time is up first or its caller leaves. */
async function endWithin(
  ended: Promise<Ended>,
  { deadlineAtMs, callerGone }: KeyedCall,
  clock: Clock,
): Promise<Ended | undefined> {
  const over = new AbortController();
  const limit = clock
    .sleep(Math.max(0, deadlineAtMs - clock.nowMs()), AbortSignal.any([callerGone, over.signal]))
    .then(
      () => undefined,
      () => undefined,
    );
  const end = await Promise.race([ended, limit]);
  over.abort();
  return end;
}

/** The first call's answer, for another one; how long it took is nothing of this one's. */
function replayOf(answer: FunctionAnswer, requestId: string): FunctionAnswer {
  const { coldStartPhases, timing } = ANSWER_HEADERS;
  const { [coldStartPhases]: _phases, [timing]: _timing, ...headers } = answer.headers;
  return {
    ...answer,
    headers: {
      ...headers,
      [ANSWER_HEADERS.replayOf]: headers[ANSWER_HEADERS.requestId] ?? "",
      [ANSWER_HEADERS.requestId]: requestId,
      [ANSWER_HEADERS.coldStart]: "false",
      [ANSWER_HEADERS.replayed]: "true",
    },
  };
}

/** Who sent a key is told what became of it; an SDK's user never asked. */
function told<Answer extends ServedAnswer>(
  answer: Answer,
  { source }: ReplayKey,
  kept: ReplayKept,
): Answer {
  return source === "sdk" ? answer : withHeaders(answer, { [ANSWER_HEADERS.replayKept]: kept });
}

const withHeaders = <Answer extends ServedAnswer>(
  answer: Answer,
  headers: Readonly<Record<string, string>>,
): Answer => ({ ...answer, headers: { ...answer.headers, ...headers } });

const refusals: Readonly<Record<ReplayRefusal, () => MeridianError>> = {
  "other-request": () =>
    new MeridianError(
      "MERIDIAN_KEY_REUSED",
      "This key came with another request before; send each request under a key of its own, and repeat one only as it was.",
    ),
  "answer-not-kept": () =>
    new MeridianError(
      "MERIDIAN_ANSWER_NOT_KEPT",
      "The function ran for this key, and its answer was streamed or there was no room to keep it; it is not run again. Look what it did.",
    ),
  "outcome-unknown": () =>
    new MeridianError(
      "MERIDIAN_CONNECTION_LOST",
      "The cluster was lost while it ran the first call with this key, and whether the function finished is not known. It is not declared idempotent, so it is not run again; look what it did before you repeat it under another key.",
    ),
};

const stillRunning = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_ANSWER_TIMEOUT",
    "The first call with this key still runs; ask again with the same key, or give the call more time.",
  );

const withdrawn = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_OVERLOADED",
    "The gateway did not say in time that the call may start, so it was not started. Try again.",
  );

const tooManyJoined = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_OVERLOADED",
    "Too many calls wait for the answer of another one with the same key; ask again in a moment.",
  );
