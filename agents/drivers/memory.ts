import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import type { IsolationReport } from "#lib/contracts/isolation.ts";
import { latestValue } from "#lib/latest-value.ts";
import type { InstanceEnd } from "../core/function-error.ts";
import type {
  CallEnd,
  Instance,
  InstanceCall,
  InstanceDriver,
  InstanceLog,
  InstanceSpec,
} from "./driver.ts";
import { notBegun } from "./not-begun.ts";

/** A function of the memory driver. It may end its own instance, as a process can. */
export type MemoryHandler = (event: unknown, context: MemoryContext) => unknown;

export interface MemoryContext {
  readonly requestId: string;
  readonly signal: AbortSignal;
  readonly log: (text: string) => void;
  readonly exit: (code: number) => void;
}

/** Loads the handler of a version; what it throws is the init error. */
export type LoadMemoryHandler = (spec: InstanceSpec) => MemoryHandler | Promise<MemoryHandler>;

/** Instances as objects of this process: the whole agent runs on it in tests, at once and without files. */
export function createMemoryDriver(load: LoadMemoryHandler): InstanceDriver {
  const instances = new Map<string, Instance>();
  let started = 0;
  return {
    start: (spec, onLog) => {
      started += 1;
      const id = `memory-${started}`;
      const instance = memoryInstance(id, load, spec, onLog, () => instances.delete(id));
      instances.set(id, instance);
      return instance;
    },
    list: () => [...instances.values()],
    isolation: latestValue<IsolationReport | undefined>({
      level: "L0",
      provedAtMs: 0,
      checks: [],
      notes: ["Instances are objects of the agent's own process: nothing keeps them from it."],
    }),
    close: async () => {
      for (const instance of instances.values()) instance.kill();
      await Promise.all([...instances.values()].map(({ ended }) => ended));
    },
  };
}

function memoryInstance(
  id: string,
  load: LoadMemoryHandler,
  spec: InstanceSpec,
  onLog: (line: InstanceLog) => void,
  onGone: () => void,
): Instance {
  const ended = Promise.withResolvers<InstanceEnd>();
  const calls = new Set<(end: CallEnd) => void>();
  let isGone = false;
  const finish = (end: InstanceEnd): void => {
    if (isGone) return;
    isGone = true;
    for (const settle of calls) settle({ kind: "ended", end });
    onGone();
    ended.resolve(end);
  };

  const loaded = loadHandler(load, spec);
  const killed = ended.promise.then(
    () => ({ kind: "not-started", reason: "it was ended before it was ready" }) as const,
  );
  const started = Promise.race([
    killed,
    loaded.then((outcome) => {
      if (outcome.kind === "handler") return { kind: "ready", sandboxMs: 0, initMs: 0 } as const;
      queueMicrotask(() => finish({ kind: "exit", code: 1 }));
      return { kind: "init-failed", error: outcome.error } as const;
    }),
  ]);

  return {
    id,
    started,
    ended: ended.promise,
    kill: () => finish({ kind: "signal", signal: "SIGKILL" }),
    invoke: ({ requestId }, input): InstanceCall => {
      if (isGone || input.kind !== "event") return notBegun();
      const outcome = Promise.withResolvers<CallEnd>();
      const cancelling = new AbortController();
      const settle = (end: CallEnd): void => {
        calls.delete(settle);
        outcome.resolve(end);
      };
      calls.add(settle);
      const context: MemoryContext = {
        requestId,
        signal: cancelling.signal,
        log: (text) => onLog({ requestId, text }),
        exit: (code) => finish({ kind: "exit", code }),
      };
      void loaded.then((ready) => {
        if (ready.kind === "handler") void run(ready.handler, input.json, context, settle);
      });
      const cancel = (): void => cancelling.abort();
      return {
        outcome: outcome.promise,
        cancel,
        abandon: () => {
          cancel();
          return false;
        },
      };
    },
  };
}

type Loaded =
  | { readonly kind: "handler"; readonly handler: MemoryHandler }
  | { readonly kind: "failed"; readonly error: ErrorPayload };

async function loadHandler(load: LoadMemoryHandler, spec: InstanceSpec): Promise<Loaded> {
  try {
    return { kind: "handler", handler: await load(spec) };
  } catch (error) {
    return { kind: "failed", error: errorPayload(error) };
  }
}

async function run(
  handler: MemoryHandler,
  event: Buffer,
  context: MemoryContext,
  settle: (end: CallEnd) => void,
): Promise<void> {
  try {
    const result = await handler(JSON.parse(event.toString("utf8")), context);
    settle({ kind: "result", json: Buffer.from(JSON.stringify(result) ?? "") });
  } catch (error) {
    settle({ kind: "error", error: errorPayload(error) });
  }
}

const errorPayload = (error: unknown): ErrorPayload =>
  error instanceof Error
    ? { errorMessage: error.message, errorType: error.name }
    : { errorMessage: String(error), errorType: typeof error };
