import type { Logger } from "pino";
import type { ProgramMessage } from "#lib/contracts/supervision.ts";
import { ConfigError } from "#lib/parse-config.ts";

/** Between beats to the supervisor; it withdraws a gateway that is silent for about 1 s while others serve. */
const BEAT_INTERVAL_MS = 200;
/** A program that cannot drain in this time ends anyway. */
const DRAIN_LIMIT_MS = 35_000;

export interface RunningProgram {
  /** Stops accepting, finishes what runs, closes everything it opened. */
  readonly stop: () => Promise<void>;
}

/**
 * The life of every program: start, say so, drain on SIGTERM or SIGINT or when the supervisor is gone, exit 0; exit 1 on an
 * unforeseen error, 2 on a configuration that cannot be used. Speaks to the supervisor over IPC where there is one.
 */
export async function runProgram(log: Logger, start: () => Promise<RunningProgram>): Promise<void> {
  const beating = setInterval(() => tellSupervisor({ kind: "beat" }), BEAT_INTERVAL_MS);
  beating.unref();
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "unforeseen error, ending");
    process.exit(1);
  });

  const stopping = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.on(signal, () => stopping.resolve(signal));
  process.on("disconnect", () => stopping.resolve("the supervisor is gone"));

  try {
    const program = await start();
    tellSupervisor({ kind: "ready" });
    log.info("ready");
    const reason = await stopping.promise;
    log.info({ reason }, "draining");
    tellSupervisor({ kind: "draining" });
    setTimeout(() => {
      log.error({ limitMs: DRAIN_LIMIT_MS }, "could not drain in time");
      process.exit(1);
    }, DRAIN_LIMIT_MS).unref();
    await program.stop();
    log.info("stopped");
    process.exit(0);
  } catch (error) {
    if (error instanceof ConfigError) {
      process.stderr.write(`${error.message}\n`);
      process.exit(2);
    }
    log.fatal({ err: error }, "cannot start");
    process.exit(1);
  }
}

/** Tells `up` something; without a supervisor, nobody. */
export function tellSupervisor(message: ProgramMessage): void {
  if (process.send === undefined || !process.connected) return;
  process.send(message, undefined, {}, () => {
    // A supervisor that died in between shows as `disconnect`.
  });
}
