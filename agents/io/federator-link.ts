import type { Logger } from "pino";
import { Value } from "typebox/value";
import { type AgentReport, AgentReportAnswer } from "#lib/contracts/zone-report.ts";
import { federatorUrlOf } from "#lib/find-federators.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import type { Clock } from "#lib/ports/clock.ts";

const REPORT_INTERVAL_MS = 1_000;

export interface ReportPorts {
  readonly zone: string;
  readonly discovery: Discovery;
  readonly client: InternalClient;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Tells this zone's federator each second what runs here, until the signal aborts. Without a federator nobody is told. */
export async function keepReporting(
  ports: ReportPorts,
  report: () => AgentReport,
  onAnswer: (answer: AgentReportAnswer) => void,
  signal: AbortSignal,
): Promise<void> {
  const { zone, discovery, client, clock, log } = ports;
  while (!signal.aborted) {
    try {
      const url = federatorUrlOf(await discovery.list(), zone);
      if (url !== undefined) {
        const answer = await client.json(url, {
          method: "POST",
          path: "/internal/reports",
          json: report(),
          timeoutMs: REPORT_INTERVAL_MS,
          signal,
        });
        onAnswer(Value.Check(AgentReportAnswer, answer) ? answer : { neighbours: [] });
      }
    } catch (error) {
      if (!signal.aborted) log.debug({ err: error }, "the report did not reach the federator");
    }
    await clock.sleep(REPORT_INTERVAL_MS, signal).catch(() => undefined);
  }
}
