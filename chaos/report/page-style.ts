import type { Markup } from "./markup.ts";

/** The page's only style; no font, picture or script comes from elsewhere. */
export const PAGE_STYLE: Markup = {
  text: `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1b2430; --quiet: #5b6778; --line: #dde2ea;
  --good: #177245; --bad: #c22f2f; --warn: #a86a00; --shade: #c22f2f1f; --cut: #e0a020;
  --zone-0: #3a6fd8; --zone-1: #17a398; --zone-2: #8f5fd7; --zone-3: #6b7f2a; --zone-4: #c7659b; --zone-5: #5c7c99;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161c; --card: #1a2029; --ink: #e6ebf2; --quiet: #97a3b4; --line: #2c3542;
    --good: #4cc38a; --bad: #ff6f6a; --warn: #f0b34a; --shade: #ff6f6a26; --cut: #f0b34a;
    --zone-0: #6c9bff; --zone-1: #3fc7ba; --zone-2: #b08cf0; --zone-3: #a3b860; --zone-4: #e58fbd; --zone-5: #8fb0cc;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 24px; line-height: 1.25; margin: 8px 0 4px; }
h2 { font-size: 16px; margin: 0 0 10px; }
p { margin: 4px 0; }
.quiet { color: var(--quiet); }
.verdict { display: inline-block; padding: 3px 12px; border-radius: 6px; font-weight: 700; letter-spacing: .04em; color: var(--card); background: var(--warn); }
.verdict.PASSED { background: var(--good); }
.verdict.FAILED { background: var(--bad); }
.badge { display: inline-block; margin-left: 8px; padding: 2px 8px; border: 1px solid var(--line); border-radius: 6px; color: var(--quiet); font-size: 13px; }
.badge.DIRTY { border-color: var(--bad); color: var(--bad); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px; margin-top: 16px; }
section.reasons { border-left: 4px solid var(--bad); }
ul { margin: 0; padding-left: 20px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(124px, 1fr)); gap: 10px; margin-top: 16px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; }
.tile b { display: block; font-size: 22px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile.broken b { color: var(--bad); }
.tile span { color: var(--quiet); font-size: 13px; }
.chart, .table { overflow-x: auto; }
svg { display: block; width: 100%; min-width: 660px; height: auto; }
.grid { stroke: var(--line); stroke-width: 1; }
.tick { fill: var(--quiet); font-size: 12px; }
.phase { fill: var(--ink); font-size: 12px; font-weight: 600; }
.fault { fill: var(--shade); }
.edge { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 3 3; }
.well { fill: var(--good); } .cut { fill: var(--cut); } .lost { fill: var(--bad); }
.zone-0 { fill: var(--zone-0); background: var(--zone-0); } .zone-1 { fill: var(--zone-1); background: var(--zone-1); }
.zone-2 { fill: var(--zone-2); background: var(--zone-2); } .zone-3 { fill: var(--zone-3); background: var(--zone-3); }
.zone-4 { fill: var(--zone-4); background: var(--zone-4); } .zone-5 { fill: var(--zone-5); background: var(--zone-5); }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
.p50 { stroke: var(--zone-0); } .p99 { stroke: var(--warn); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin-top: 8px; font-size: 13px; color: var(--quiet); }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
i.cut { background: var(--cut); } i.lost { background: var(--bad); } i.well { background: var(--good); } i.shade { background: var(--shade); outline: 1px solid var(--line); }
i.p50 { background: var(--zone-0); } i.p99 { background: var(--warn); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 6px 10px; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--quiet); font-weight: 600; font-size: 13px; white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
.number { text-align: right; white-space: nowrap; }
.name { font-family: ui-monospace, monospace; font-size: 13px; white-space: nowrap; }
.holds { color: var(--good); font-weight: 600; white-space: nowrap; } .broke { color: var(--bad); font-weight: 600; white-space: nowrap; }
td .quiet { font-size: 13px; }
`,
};
