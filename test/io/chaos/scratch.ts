import { runDrill, summaryLine } from "#chaos";
import { smallDrill, writeExperiment } from "./small-drill.ts";
import { mkdtempSync } from "node:fs";
const dir = mkdtempSync("/tmp/scratch-");
const o = await runDrill({
  experimentFile: writeExperiment(dir, smallDrill()),
  reportDirectory: dir,
  journalDirectory: dir,
  withoutFailover: process.argv[2] === "off",
  say: (l) => console.error(l),
  signal: AbortSignal.timeout(60000),
  federationCommand: [process.execPath, new URL("fake-federation/up.ts", import.meta.url).pathname],
});
if (o.kind === "ran")
  console.log(
    summaryLine(o.report),
    JSON.stringify(o.report.generator),
    JSON.stringify(o.report.timings),
    o.reportDirectory,
    JSON.stringify(o.report.series.map((s) => [s.name, s.sent, s.lost, s.connectionLost, s.late])),
    JSON.stringify(o.report.causes),
  );
else console.log(o);
