import type { ReplayKey } from "../core/replay-key.ts";
import type { StartLeave } from "./exchange.ts";
import type { ReplayStore } from "./replay-store.ts";

/** The start of a call with a key: the key is kept before anything of the call runs. */
export interface KeptStart {
  readonly leave: StartLeave;
  /** Aborts when the caller leaves before the start; later the call goes on for whoever asks again. */
  readonly signal: AbortSignal;
  /** Once the call is over. */
  readonly settle: () => { readonly hasBegun: boolean; readonly isKept: boolean };
}

export function keptStart(
  call: { readonly key: ReplayKey; readonly callerGone: AbortSignal; readonly leave: StartLeave },
  store: Pick<ReplayStore, "start">,
): KeptStart {
  const { key, callerGone, leave } = call;
  const left = new AbortController();
  let hasBegun = false;
  let isKept = false;
  const onGone = (): void => left.abort();
  const ignoreCaller = (): void => callerGone.removeEventListener("abort", onGone);
  callerGone.addEventListener("abort", onGone, { once: true });
  if (callerGone.aborted) onGone();

  return {
    leave: {
      waits: leave.waits,
      ask: async (hasWaited) => {
        const given = leave.ask(hasWaited);
        if (given !== true && !(await given)) return false;
        ignoreCaller();
        hasBegun = true;
        isKept = await store.start(key);
        return true;
      },
    },
    signal: left.signal,
    settle: () => {
      ignoreCaller();
      return { hasBegun, isKept };
    },
  };
}
