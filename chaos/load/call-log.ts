import { closeSync, openSync, writeSync } from "node:fs";
import type { CallRecord, LoadMessage } from "#lib/contracts/drill-load.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";

/** Where ended calls go: into a file, in batches, and as counts to the runner. */
export interface CallLog {
  readonly add: (call: CallRecord) => void;
  /** Writes what ended since the last time and counts it. */
  readonly tick: () => LoadMessage;
  readonly close: () => LoadMessage;
}

export function callLog(path: string): CallLog {
  const file = openSync(path, "w", 0o600);
  let calls = 0;
  let waiting: CallRecord[] = [];

  const tick = (): LoadMessage => {
    const batch = waiting;
    waiting = [];
    if (batch.length > 0)
      writeWhole(file, batch.map((call) => `${JSON.stringify(call)}\n`).join(""));
    calls += batch.length;
    const series = [...Map.groupBy(batch, (call) => call.series)].map(([name, ended]) => {
      const ok = ended.filter((call) => call.outcome === "ok").length;
      return { name, ok, failed: ended.length - ok };
    });
    return { kind: "tick", atMs: machineNowMs(), series };
  };

  return {
    add: (call) => waiting.push(call),
    tick,
    close: () => {
      closeSync(file);
      return { kind: "finished", calls };
    },
  };
}

function writeWhole(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length;)
    written += writeSync(file, bytes, written, bytes.length - written);
}
