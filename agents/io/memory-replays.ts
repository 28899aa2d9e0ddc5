import type { Clock } from "#lib/ports/clock.ts";
import type { KeptCall } from "../core/decide-replay.ts";
import { answerBytes, KEY_BYTES, type ReplayLimits, type ReplayStore } from "./replay-store.ts";

interface Kept {
  readonly call: KeptCall;
  readonly bytes: number;
  readonly untilMs: number;
}

/**
 * Keys that go with the agent, and cost no write. The oldest give way to new ones: the attempts of an SDK follow each other within
 * seconds.
 */
export function memoryReplays(limits: ReplayLimits, clock: Clock): ReplayStore {
  // In the order in which they began, which is also that in which their windows end.
  const kept = new Map<string, Kept>();
  let bytes = 0;

  const remove = (id: string): void => {
    bytes -= kept.get(id)?.bytes ?? 0;
    kept.delete(id);
  };
  const makeRoom = (bytesNeeded: number): void => {
    for (const [id, { untilMs }] of kept) {
      const isFull = kept.size >= limits.keysMax || bytes + bytesNeeded > limits.bytesMax;
      if (untilMs > clock.nowMs() && !isFull) return;
      remove(id);
    }
  };
  const put = (id: string, call: KeptCall, untilMs: number): void => {
    const size = KEY_BYTES + (call.state === "answered" ? answerBytes(call.answer) : 0);
    makeRoom(size);
    kept.set(id, { call, bytes: size, untilMs });
    bytes += size;
  };

  return {
    find: (id) => {
      const found = kept.get(id);
      const isInWindow = found !== undefined && found.untilMs > clock.nowMs();
      return Promise.resolve(isInWindow ? found.call : undefined);
    },
    start: ({ id, fingerprint }) => {
      remove(id);
      put(id, { fingerprint, state: "outcome-unknown" }, clock.nowMs() + limits.windowMs);
      return Promise.resolve(true);
    },
    finish: (id, answer) => {
      const started = kept.get(id);
      remove(id);
      if (started === undefined) return Promise.resolve(false);
      const { fingerprint } = started.call;
      const call: KeptCall =
        answer === undefined
          ? { fingerprint, state: "answer-not-kept" }
          : { fingerprint, state: "answered", answer };
      put(id, call, started.untilMs);
      return Promise.resolve(answer !== undefined);
    },
    forget: (id) => Promise.resolve(remove(id)),
    close: () => Promise.resolve(),
  };
}
