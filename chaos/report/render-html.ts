import type { DrillReport } from "#lib/contracts/drill.ts";
import { availabilityChart, zoneColour } from "./availability-chart.ts";
import { formatCount, formatDuration, formatMilliseconds } from "./format.ts";
import { latencyChart } from "./latency-chart.ts";
import { markup, type Markup, nothing } from "./markup.ts";
import { PAGE_STYLE } from "./page-style.ts";
import { countIdempotent } from "./promised-calls.ts";
import { causesTable, eventsTable, findingsTable, seriesTable } from "./report-tables.ts";
import { timeAxis } from "./time-axis.ts";

/** The report as one page that needs nothing else, on a screen or a phone, in light or dark. */
export function renderHtml(report: DrillReport): string {
  const { title, verdict } = report;
  const page = markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <title>${verdict}: ${title}</title>
        <style>
          ${PAGE_STYLE}
        </style>
      </head>
      <body>
        <main>
          ${heading(report)} ${tiles(report)} ${reasons(report)}
          ${report.timeline.length === 0 ? nothing : charts(report)} ${findingsTable(report)}
          ${seriesTable(report)} ${causesTable(report)} ${eventsTable(report)} ${conditions(report)}
        </main>
      </body>
    </html>
`;
  return page.text;
}

function heading({
  title,
  verdict,
  cleanup,
  target,
  withoutFailover,
  startedAtMs,
  runId,
}: DrillReport): Markup {
  const mode = withoutFailover ? markup`<span class="badge">failover switched off</span>` : nothing;
  return markup`<header>
    <span class="verdict ${verdict}">${verdict}</span>
    <span class="badge ${cleanup}">${cleanup === "CLEAN" ? "nothing left behind" : "something was left behind"}</span>
    ${mode}
    <h1>${title}</h1>
    <p class="quiet">
      zone ${target.zone} killed · ${new Date(startedAtMs).toISOString()} · run ${runId}
    </p>
  </header>`;
}

function tiles(report: DrillReport): Markup {
  const { timings, findings, series } = report;
  if (findings.length === 0) return nothing;
  const tile = (bound: string, value: string, label: string): Markup => {
    const broke = findings.some((finding) => finding.bound === bound && !finding.holds);
    return markup`<div class="tile${broke ? " broken" : ""}">
      <b>${value}</b><span>${label}</span>
    </div>`;
  };
  const counted = (bound: string) =>
    formatCount(findings.find((finding) => finding.bound === bound)?.measured ?? 0);
  const { promised } = countIdempotent(report);
  const connectionLost = series.reduce((sum, one) => sum + one.connectionLost, 0);
  return markup`<div class="tiles">
    ${tile("detectedAfterMsMax", formatDuration(timings.detectedAfterMs), "until detected")}
    ${tile("shiftedAfterMsMax", formatDuration(timings.shiftedAfterMs), "until shifted")}
    ${tile("idempotentLostMax", counted("idempotentLostMax"), `of ${formatCount(promised)} idempotent calls lost`)}
    ${tile("duplicatedMax", counted("duplicatedMax"), "calls run twice")}
    ${tile("connectionLostMax", formatCount(connectionLost), `went down with the killed gateway, ${counted("connectionLostMax")} of them on the shared address`)}
    ${tile("lateMax", counted("lateMax"), "late answers")}
    ${
      timings.detectedAfterMs === null
        ? tile("restoredAfterMsMax", "n/a", "until restored: never taken out")
        : tile("restoredAfterMsMax", formatDuration(timings.restoredAfterMs), "until restored")
    }
  </div>`;
}

function reasons({ reasons: why, leftBehind, verdict }: DrillReport): Markup {
  if (why.length === 0 && leftBehind.length === 0) return nothing;
  const items = [...why, ...leftBehind.map((left) => `left behind: ${left}`)];
  return markup`<section class="reasons">
    <h2>Why ${verdict}</h2>
    <ul>
      ${items.map((item) => markup`<li>${item}</li>`)}
    </ul>
  </section>`;
}

function charts(report: DrillReport): Markup {
  const axis = timeAxis(report);
  const zones = [
    ...new Set(report.timeline.flatMap(({ byZone }) => Object.keys(byZone))),
  ].toSorted();
  return markup`<section>
      <h2>Calls a second, by the zone that answered</h2>
      ${availabilityChart(report, zones, axis)}
      <div class="legend">
        ${zones.map((zone, index) => markup`<span><i class="${zoneColour(index)}"></i>${zone}</span>`)}
        <span><i class="lost"></i>lost</span>
        <span><i class="cut"></i>connection lost with the killed gateway</span>
        <span><i class="shade"></i>zone dead</span>
        <span><i class="well"></i>strip: a second in which every call went well</span>
      </div>
    </section>
    <section>
      <h2>Latency of good answers, from when each call was due</h2>
      ${latencyChart(report, axis)}
      <div class="legend">
        <span><i class="p50"></i>median</span><span><i class="p99"></i>99th percentile</span>
      </div>
    </section>`;
}

function conditions({ generator, machine, seed }: DrillReport): Markup {
  const health = generator.isHealthy ? "healthy" : "starved";
  return markup`<section>
    <h2>Conditions</h2>
    <p>
      Open-loop load from its own process: ${health}, slip p99.9
      ${formatMilliseconds(generator.slipP999Ms)} ms, ${formatCount(generator.unsent)} calls unsent.
      Seed ${seed}.
    </p>
    <p class="quiet">
      ${machine.cores} cores, Node ${machine.node}, ${machine.platform}. All zones on one machine:
      these figures show the logic, not a wide-area network.
    </p>
  </section>`;
}
