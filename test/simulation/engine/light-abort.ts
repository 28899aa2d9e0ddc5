/*
 * The platform's AbortController is an EventTarget with weak references and validation: a fifth of a simulated world's time. In the
 * processes that run worlds this one takes its place: the same order of the same calls, which light-abort.test.ts compares.
 */

type Listener = (event: { readonly type: string; readonly target: unknown }) => void;

class LightSignal {
  aborted = false;
  reason: unknown = undefined;
  /** Each with whether it is told once only; made with the first, as most signals never have one. */
  #listeners: Map<Listener, boolean> | undefined;
  /** Made by `any` from this one. */
  #followers: Set<LightSignal> | undefined;

  static any(signals: Iterable<LightSignal>): LightSignal {
    const composite = new LightSignal();
    const sources = [...signals];
    const source = sources.find(({ aborted }) => aborted);
    if (source === undefined)
      for (const one of sources) (one.#followers ??= new Set()).add(composite);
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
    if (type !== "abort" || this.#listeners?.has(listener) === true) return;
    (this.#listeners ??= new Map()).set(listener, options?.once === true);
  }

  removeEventListener(_type: string, listener: Listener): void {
    this.#listeners?.delete(listener);
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
    if (this.#followers === undefined) return [this];
    const followers = [...this.#followers].filter(({ aborted }) => !aborted);
    this.#followers = undefined;
    return [this, ...followers.flatMap((one) => one.#reach(reason))];
  }

  #tell(): void {
    if (this.#listeners === undefined) return;
    const event = { type: "abort", target: this };
    for (const [listener, isOnce] of this.#listeners) {
      if (isOnce) this.#listeners.delete(listener);
      listener(event);
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
