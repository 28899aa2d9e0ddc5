import type { DrillReport } from "#lib/contracts/drill.ts";
import { formatCount, formatMilliseconds } from "./format.ts";
import { markup, type Markup, nothing } from "./markup.ts";

export function findingsTable({ findings, timings }: DrillReport): Markup {
  if (findings.length === 0) return nothing;
  const rows = findings.map(
    ({ bound, limit, measured, holds, meaning }) =>
      markup`<tr>
        <td class="${holds ? "holds" : "broke"}">${holds ? "holds" : "broke"}</td>
        <td><span class="name">${bound}</span><br /><span class="quiet">${meaning}</span></td>
        <td class="number">${measured === null ? "never" : formatCount(Math.round(measured))}</td>
        <td class="number">≤ ${formatCount(limit)}</td>
      </tr>`,
  );
  const notRestored = markup`<tr>
    <td></td>
    <td><span class="name">restoredAfterMsMax</span></td>
    <td class="number">n/a — never taken out</td>
    <td></td>
  </tr>`;
  return markup`<section>
    <h2>Bounds</h2>
    <div class="table">
      <table>
        <tr>
          <th></th>
          <th>bound</th>
          <th class="number">measured</th>
          <th class="number">promised</th>
        </tr>
        ${timings.detectedAfterMs === null ? [...rows, notRestored] : rows}
      </table>
    </div>
  </section>`;
}

export function seriesTable({ series }: DrillReport): Markup {
  if (series.length === 0) return nothing;
  const rows = series.map((one) => {
    const counts = [
      one.sent,
      one.succeeded,
      one.lost,
      one.duplicated,
      one.late,
      one.connectionLost,
    ].map((count) => markup`<td class="number">${formatCount(count)}</td>`);
    const { p50, p99, max } = one.latencyMs;
    const latencies = [p50, p99, max].map(
      (latencyMs) => markup`<td class="number">${formatMilliseconds(latencyMs)}</td>`,
    );
    return markup`<tr>
      <td><span class="name">${one.name}</span><br /><span class="quiet">${one.endpoint}</span></td>
      ${counts}${latencies}
    </tr>`;
  });
  return markup`<section>
    <h2>Series of numbered calls</h2>
    <div class="table">
      <table>
        <tr>
          <th>series</th>
          ${heads(["sent", "well", "lost", "duplicated", "late", "connection lost", "p50 ms", "p99 ms", "max ms"])}
        </tr>
        ${rows}
      </table>
    </div>
  </section>`;
}

export function causesTable({ causes }: DrillReport): Markup {
  if (causes.length === 0) return nothing;
  const rows = causes.map(
    ({ series, cause, calls }) =>
      markup`<tr>
        <td class="name">${series}</td>
        <td>${cause}</td>
        <td class="number">${formatCount(calls)}</td>
      </tr>`,
  );
  return markup`<section>
    <h2>Why calls did not go well</h2>
    <div class="table">
      <table>
        <tr>
          <th>series</th>
          <th>cause</th>
          ${heads(["calls"])}
        </tr>
        ${rows}
      </table>
    </div>
  </section>`;
}

export function eventsTable({ events }: DrillReport): Markup {
  const rows = events.map(
    ({ atMs, what }) =>
      markup`<tr>
        <td class="number">${(atMs / 1_000).toFixed(1)} s</td>
        <td>${what}</td>
      </tr>`,
  );
  return markup`<section>
    <h2>Events</h2>
    <div class="table">
      <table>
        <tr>
          ${heads(["since the load began"])}
          <th>what</th>
        </tr>
        ${rows}
      </table>
    </div>
  </section>`;
}

const heads = (names: readonly string[]): Markup[] =>
  names.map((name) => markup`<th class="number">${name}</th>`);
