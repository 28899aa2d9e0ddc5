import { Counter, Gauge, type Registry } from "prom-client";
import type { UsageCounts } from "#lib/contracts/usage.ts";
import type { UsageRecorder } from "./usage-recorder.ts";

const MEGABYTE_MS_PER_GIGABYTE_SECOND = 1_024 * 1_000;

/** The whole cluster's figures, read at the scrape; whose they are is asked of `/v1/usage`, for functions are without number. */
export function showUsage(
  registry: Registry,
  usage: Pick<UsageRecorder, "totals" | "unwrittenRows" | "droppedCounts">,
): void {
  const registers = [registry];
  const total = (name: string, help: string, read: (totals: UsageCounts) => number): void => {
    const counter: Counter = new Counter({
      name,
      help,
      registers,
      collect: () => {
        counter.reset();
        counter.inc(read(usage.totals()));
      },
    });
  };
  total(
    "meridian_agent_billed_invocations_total",
    "Calls that were handed to an instance and are billed",
    ({ invocations }) => invocations,
  );
  total(
    "meridian_agent_cold_starts_total",
    "Billed calls that waited for their instance to start",
    ({ coldStarts }) => coldStarts,
  );
  total(
    "meridian_agent_billed_seconds_total",
    "How long instances ran calls, as it is billed",
    ({ billedMs }) => billedMs / 1_000,
  );
  total(
    "meridian_agent_billed_gigabyte_seconds_total",
    "The same by the memory of the versions",
    ({ megabyteMs }) => megabyteMs / MEGABYTE_MS_PER_GIGABYTE_SECOND,
  );
  total(
    "meridian_agent_egress_bytes_total",
    "Bodies of answers that functions gave",
    ({ egressBytes }) => egressBytes,
  );
  const unwritten: Gauge = new Gauge({
    name: "meridian_agent_usage_unwritten_rows",
    help: "Versions and hours whose usage is counted and not on disk yet",
    registers,
    collect: () => unwritten.set(usage.unwrittenRows()),
  });
  const dropped: Gauge = new Gauge({
    name: "meridian_agent_usage_dropped_counts",
    help: "Counts that were lost since the start, as the disk took nothing for too long",
    registers,
    collect: () => dropped.set(usage.droppedCounts()),
  });
}
