import type { Logger } from "pino";
import type { ClassDemand } from "#lib/contracts/control-records.ts";
import type { GatewayReport } from "#lib/contracts/zone-report.ts";
import { federatorUrlOf } from "#lib/find-federators.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import { totalDemand } from "#lib/plan/sum-demand.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { ArmCounters } from "../core/count-arms.ts";
import type { CallMeter } from "../core/measure-calls.ts";
import type { DemandMeter } from "../core/measure-demand.ts";
import type { ClusterLinks } from "./probe-clusters.ts";

export interface ReportOptions {
  readonly zone: string;
  readonly receiver: string;
  readonly bootId: string;
  readonly discovery: Discovery;
  readonly client: InternalClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly demand: DemandMeter;
  readonly meter: CallMeter;
  readonly arms: ArmCounters;
  readonly avoided: ClusterLinks["avoided"];
}

const INTERVAL_MS = 1_000;
const TIMEOUT_MS = 900;

/** Tells the zone's federator each second what tenants ask for here and which clusters do not answer. */
export function startReporting(options: ReportOptions): { readonly close: () => Promise<void> } {
  const { clock, log, demand } = options;
  const stopping = new AbortController();
  const reportForEver = async (): Promise<void> => {
    let lastMs = clock.nowMs();
    while (!stopping.signal.aborted) {
      await clock.sleep(INTERVAL_MS, stopping.signal).catch(() => undefined);
      const nowMs = clock.nowMs();
      const report: GatewayReport = {
        program: "gateway",
        receiver: options.receiver,
        bootId: options.bootId,
        demand: [...demand.endInterval(Math.max(1, nowMs - lastMs))],
        ...describeCalls(options.meter.endInterval(nowMs)),
        arms: [...options.arms.arms(nowMs)],
        avoided: [...options.avoided()],
      };
      lastMs = nowMs;
      await deliver(options, report, stopping.signal).catch((error: unknown) =>
        log.debug({ err: error }, "a report was not delivered"),
      );
    }
  };
  const reporting = reportForEver();
  return {
    close: async () => {
      stopping.abort(new Error("reporting was stopped"));
      await reporting;
    },
  };
}

const describeCalls = (classDemand: readonly ClassDemand[]) => ({
  inFlight: totalDemand(classDemand),
  classDemand: [...classDemand],
});

async function deliver(
  { discovery, client, zone: home }: ReportOptions,
  json: GatewayReport,
  signal: AbortSignal,
): Promise<void> {
  const url = federatorUrlOf(await discovery.list(), home);
  if (url === undefined || signal.aborted) return;
  const path = "/internal/reports";
  await client.json(url, { method: "POST", path, json, timeoutMs: TIMEOUT_MS, signal });
}
