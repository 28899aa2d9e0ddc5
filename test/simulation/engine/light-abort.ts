/*
 * The platform's AbortController is an EventTarget with weak references and validation: a fifth of a simulated world's time. In the
 * processes that run worlds this one takes its place: the same order of the same calls, which light-abort.test.ts compares.
 */

type Listener = (event: { readonly type: string; readonly target: unknown }) => void;

interface Following {
  readonly listener: Listener;
  readonly isOnce: boolean;
}

class LightSignal {
  aborted = false;
  reason: unknown = undefined;
  readonly #listeners = new Set<Following>();
  /** Made by `any` from this one. */
  readonly #followers = new Set<LightSignal>();

  static any(signals: Iterable<LightSignal>): LightSignal {
    const composite = new LightSignal();
    const sources = [...signals];
    const source = sources.find(({ aborted }) => aborted);
    if (source === undefined) for (const one of sources) one.#followers.add(composite);
    else composite.abort(source.reason);
    return composite;
  }

  static abort(reason?: unknown): LightSignal {
    const signal = new LightSignal();
    signal.abort(reason);
    return signal;
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  addEventListener(type: string, listener: Listener, options?: { readonly once?: boolean }): void {
    if (type !== "abort") return;
    for (const one of this.#listeners) if (one.listener === listener) return;
    this.#listeners.add({ listener, isOnce: options?.once === true });
  }

  removeEventListener(_type: string, listener: Listener): void {
    for (const one of this.#listeners)
      if (one.listener === listener) {
        this.#listeners.delete(one);
        return;
      }
  }

  /** Not the platform's: what its controller calls. */
  abort(reason: unknown = new DOMException("This operation was aborted", "AbortError")): void {
    if (this.aborted) return;
    const reached = this.#reach(reason);
    for (const one of reached) one.#tell();
  }

  /** All that depend on it are aborted before any listener runs, as the standard has it. */
  #reach(reason: unknown): readonly LightSignal[] {
    this.aborted = true;
    this.reason = reason;
    const followers = [...this.#followers].filter(({ aborted }) => !aborted);
    this.#followers.clear();
    return [this, ...followers.flatMap((one) => one.#reach(reason))];
  }

  #tell(): void {
    const event = { type: "abort", target: this };
    for (const one of this.#listeners) {
      if (one.isOnce) this.#listeners.delete(one);
      one.listener(event);
    }
  }
}

class LightController {
  readonly signal = new LightSignal();

  abort(reason?: unknown): void {
    this.signal.abort(reason);
  }
}

/** For this process, from now on. */
export function useLightAbort(): void {
  Object.defineProperty(globalThis, "AbortController", { value: LightController });
  Object.defineProperty(globalThis, "AbortSignal", { value: LightSignal });
}
