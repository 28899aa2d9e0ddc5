import type { Logger } from "pino";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { KeptCall } from "../core/decide-replay.ts";
import { type FileThread, openFileThread, threadedFile } from "./file-thread.ts";
import { asBuffer, type ReplayFileCalls } from "./replay-file-calls.ts";
import type { ReplayLimits, ReplayStore } from "./replay-store.ts";

const WORKER = new URL("./replay-file-worker.ts", import.meta.url);

/**
 * Keys in a file that a killed agent leaves whole: durable before the call runs, and its answer before the caller has it. A file that
 * cannot be read fails each look with MERIDIAN_OVERLOADED, for what it holds must not run again. Opened when the first key comes.
 */
export function replayFile(
  file: string,
  limits: ReplayLimits,
  clock: Clock,
  log: Logger,
): ReplayStore {
  const { ask, close } = threadedFile<ReplayFileCalls>({
    open: () => openFile(file, limits, log),
    onLost: (cause) => log.error({ err: cause, file }, "idempotency keys cannot be kept now"),
    unusable,
    clock,
  });

  return {
    find: async (id) => withBuffer(await ask("find", { id, nowMs: clock.wallMs() })),
    start: (key) => ask("start", { key, nowMs: clock.wallMs() }).catch(() => false),
    finish: (id, answer) => ask("finish", { id, answer }).catch(() => false),
    // What stays is taken for a call that may have run, which is the safe side.
    forget: (id) =>
      ask("forget", id).then(
        () => undefined,
        () => undefined,
      ),
    close,
  };
}

async function openFile(
  file: string,
  limits: ReplayLimits,
  log: Logger,
): Promise<FileThread<ReplayFileCalls>> {
  const { thread, answer } = await openFileThread<ReplayFileCalls>(WORKER, { file, limits });
  const { damage } = answer;
  if (damage !== undefined)
    log.error({ file, damage }, "the file of idempotency keys is damaged, and begun anew");
  return thread;
}

const unusable = (cause?: unknown): MeridianError =>
  new MeridianError(
    "MERIDIAN_OVERLOADED",
    "This cluster cannot look up idempotency keys now; the function was not started. Try again.",
    { cause },
  );

function withBuffer(call: KeptCall | undefined): KeptCall | undefined {
  if (call?.state !== "answered") return call;
  return { ...call, answer: { ...call.answer, body: asBuffer(call.answer.body) } };
}
