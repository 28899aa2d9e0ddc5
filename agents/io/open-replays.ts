import { join } from "node:path";
import type { Logger } from "pino";
import type { Clock } from "#lib/ports/clock.ts";
import type { AgentConfig } from "../config.ts";
import type { AgentMetrics } from "./agent-metrics.ts";
import { memoryReplays } from "./memory-replays.ts";
import { replayFile } from "./replay-file.ts";
import { type ReplayedAnswers, replayedAnswers } from "./replayed-answers.ts";

/** Keys of callers on disk, ids of AWS SDKs in memory: every call of an SDK has one, and nobody asked to wait for a disk. */
export function openReplays(
  config: AgentConfig,
  clock: Clock,
  metrics: Pick<AgentMetrics, "replay">,
  log: Logger,
): { readonly answers: ReplayedAnswers; readonly close: () => Promise<void> } {
  const keys = {
    windowMs: config.replayWindowMs,
    keysMax: config.replayKeysMax,
    bytesMax: config.replayBytesMax,
  };
  const sdks = {
    windowMs: config.sdkReplayWindowMs,
    keysMax: config.sdkReplayKeysMax,
    bytesMax: config.sdkReplayBytesMax,
  };
  const file = replayFile(join(config.stateDirectory, "replays", "keys.db"), keys, clock, log);
  const answers = replayedAnswers({
    stores: { key: file, sdk: memoryReplays(sdks, clock) },
    clock,
    joinsMax: config.queueLengthMax,
    onReplay: metrics.replay,
  });
  return { answers, close: file.close };
}
