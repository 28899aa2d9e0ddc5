import type { Answer } from "./ports.ts";

/** May throw as well as reject; `account` turns either into an answer. A stage that waits for nothing is no `async` function: each costs every call a promise. */
export type Handler<Call> = (call: Call) => Promise<Answer>;

/** Wraps the rest of the pipeline: may answer early, or go on with what it has found out about the call. */
export type Stage<In, Out> = (next: Handler<Out>) => Handler<In>;

export interface Pipeline<In, Out> {
  readonly through: <Next>(stage: Stage<Out, Next>) => Pipeline<In, Next>;
  readonly to: (handler: Handler<Out>) => Handler<In>;
}

/** Stages in the order in which a call meets them; each is given exactly what those before it have established. */
export function pipeline<In, Out>(first: Stage<In, Out>): Pipeline<In, Out> {
  return {
    through: (stage) => pipeline((next) => first(stage(next))),
    to: (handler) => first(handler),
  };
}
