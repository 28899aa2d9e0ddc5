import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import type { CallRecord, LoadMessage } from "#lib/contracts/drill-load.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";

/** Where ended calls go: into a file, in batches, and as counts to the runner. */
export interface CallLog {
  readonly add: (call: CallRecord) => void;
  /** Writes what ended since the last time and counts it. */
  readonly tick: () => LoadMessage;
  /** Resolves when everything is in the file. */
  readonly close: () => Promise<LoadMessage>;
}

/** A slow disk delays no call: the file is written on other threads. */
export function callLog(path: string): CallLog {
  const file = createWriteStream(path, { mode: 0o600 });
  const written = finished(file);
  written.catch(() => {
    // Told by close, or missed when the runner counts what is in the file.
  });
  let calls = 0;
  let waiting: CallRecord[] = [];

  return {
    add: (call) => waiting.push(call),
    tick: () => {
      const batch = waiting;
      waiting = [];
      calls += batch.length;
      if (batch.length > 0) file.write(batch.map((call) => `${JSON.stringify(call)}\n`).join(""));
      const series = [...Map.groupBy(batch, (call) => call.series)].map(([name, ended]) => {
        const ok = ended.filter((call) => call.outcome === "ok").length;
        return { name, ok, failed: ended.length - ok };
      });
      return { kind: "tick", atMs: machineNowMs(), series };
    },
    close: async () => {
      file.end();
      await written;
      return { kind: "finished", calls };
    },
  };
}
