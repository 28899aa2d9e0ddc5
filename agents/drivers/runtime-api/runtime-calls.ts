import type { ErrorPayload, InvokeHeader } from "#lib/contracts/instance-frames.ts";
import type { InstanceEnd } from "../../core/function-error.ts";
import { nameCall } from "../../core/runtime-request.ts";
import type { BreakOff, CallEnd, StreamingAnswer } from "../driver.ts";

/** A runtime that fails asks for the next call or ends within this; a longer silence holds the caller's error up no more. */
const AFTER_ERROR_MS = 250;

/** A call on its way to a runtime. */
export interface RuntimeCall {
  /** Stands in the path of its answer. */
  readonly name: string;
  readonly header: InvokeHeader;
  readonly event: Buffer;
  readonly deadlineEpochMs: number;
}

/** A request for the next call, open until there is one. */
export interface Poll {
  readonly deliver: (call: RuntimeCall) => void;
}

/** The answer to one call while it arrives: nobody else may give it. */
export interface RuntimeAnswer {
  readonly end: (end: CallEnd) => void;
  /** The function failed; whether its process goes on is seen by what it does next. */
  readonly fail: (error: ErrorPayload) => void;
  /** It comes in parts; `breakOff` ends it where the instance ends first. */
  readonly stream: (answer: StreamingAnswer, breakOff: (by: BreakOff) => void) => void;
  /** It broke off: another may be given. */
  readonly withdraw: () => void;
}

/** The calls of one instance that comes for them: those that wait for it, and those it has. */
export interface RuntimeCalls {
  readonly begin: (header: InvokeHeader, event: Buffer) => Promise<CallEnd>;
  /** False where it has all the calls already that it may have at once. */
  readonly poll: (poll: Poll) => boolean;
  readonly endPoll: (poll: Poll) => void;
  /** The call did not reach it: the next one who asks gets it. */
  readonly giveBack: (call: RuntimeCall) => void;
  /** Undefined where it has no such call, or answers it already. */
  readonly answer: (name: string) => RuntimeAnswer | undefined;
  /** Whose output comes now, as far as that can be known. */
  readonly requestIdOfOutput: () => string | undefined;
  readonly endAll: (end: InstanceEnd) => void;
}

interface Entry extends RuntimeCall {
  readonly settle: (end: CallEnd) => void;
  isAnswering: boolean;
  breakOff: (by: BreakOff) => void;
}

export function runtimeCalls(concurrency: number, wallMs: () => number): RuntimeCalls {
  const waiting: Entry[] = [];
  const polls: Poll[] = [];
  const running = new Map<string, Entry>();
  const failed = new Set<(isCrash: boolean) => void>();
  let serial = 0;
  let latest: string | undefined;

  const deliver = (): void => {
    const entry = polls.length === 0 ? undefined : waiting.shift();
    const poll = entry === undefined ? undefined : polls.shift();
    if (entry === undefined || poll === undefined) return;
    running.set(entry.name, entry);
    latest = entry.header.requestId;
    poll.deliver(entry);
  };
  const isTaken = (name: string): boolean =>
    running.has(name) || waiting.some((entry) => entry.name === name);
  const hold = ({ settle }: Entry, error: ErrorPayload): void => {
    const release = (isCrash: boolean): void => {
      clearTimeout(timer);
      failed.delete(release);
      settle({ kind: "error", error: isCrash ? { ...error, isCrash } : error });
    };
    const timer = setTimeout(release, AFTER_ERROR_MS, false);
    failed.add(release);
  };

  return {
    begin: (header, event) => {
      serial += 1;
      const { promise, resolve } = Promise.withResolvers<CallEnd>();
      const name = nameCall(header.requestId, isTaken, serial);
      const deadlineEpochMs = wallMs() + header.deadlineMs;
      const settling = { settle: resolve, breakOff: resolve, isAnswering: false };
      waiting.push({ name, header, event, deadlineEpochMs, ...settling });
      deliver();
      return promise;
    },
    poll: (poll) => {
      for (const release of failed) release(false);
      if (running.size + polls.length >= concurrency) return false;
      polls.push(poll);
      deliver();
      return true;
    },
    endPoll: (poll) => {
      const at = polls.indexOf(poll);
      if (at >= 0) polls.splice(at, 1);
    },
    giveBack: ({ name }) => {
      const entry = running.get(name);
      if (entry === undefined || entry.isAnswering) return;
      running.delete(name);
      waiting.unshift(entry);
      deliver();
    },
    answer: (name) => {
      const entry = running.get(name);
      if (entry === undefined || entry.isAnswering) return undefined;
      entry.isAnswering = true;
      return {
        end: (end) => {
          if (running.delete(name)) entry.settle(end);
        },
        fail: (error) => {
          if (running.delete(name)) hold(entry, error);
        },
        stream: (answer, breakOff) => {
          entry.breakOff = breakOff;
          entry.settle({ kind: "stream", answer });
          void answer.over.then(() => running.delete(name));
        },
        withdraw: () => {
          entry.isAnswering = false;
        },
      };
    },
    requestIdOfOutput: () => {
      if (running.size === 1) return [...running.values()][0]?.header.requestId;
      // With one call at a time, what comes between two calls was written in the one before, and took its time.
      return concurrency === 1 ? latest : undefined;
    },
    endAll: (end) => {
      for (const { settle } of waiting.splice(0)) settle({ kind: "not-begun" });
      for (const release of failed) release(true);
      for (const { breakOff } of running.values()) breakOff({ kind: "ended", end });
      running.clear();
      polls.length = 0;
    },
  };
}
