import assert from "node:assert/strict";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Value } from "typebox/value";
import { DrillReport } from "#lib/contracts/drill.ts";
import { meridian, REPOSITORY } from "./support/federation.ts";

test("the zone-kill drill passes on the system as it is, with a report that can be read", async () => {
  const folder = await mkdtemp(join(tmpdir(), "meridian-drill-"));
  const run = await meridian("drill", "run", await shortened(folder), "--report", folder, "--json");
  assert.equal(run.exitCode, 0, `${run.stdout.slice(0, 4_000)}\n${run.stderr}`);
  const report = Value.Parse(
    DrillReport,
    JSON.parse(await readFile(join(folder, "report.json"), "utf8")),
  );
  assert.equal(report.verdict, "PASSED");
  assert.equal(report.cleanup, "CLEAN");
  assert.deepEqual(report.leftBehind, []);
  assert.ok(
    report.timings.shiftedAfterMs !== null &&
      report.timings.detectedAfterMs !== null &&
      report.timings.restoredAfterMs !== null,
  );
  assert.equal(
    report.series.filter((series) => series.sent > 0).length,
    report.series.length,
    "every series sent something",
  );
  assert.match(await readFile(join(folder, "report.html"), "utf8"), /<svg/);
});

test("with failover switched off the same drill fails and names the bound that broke", async () => {
  const folder = await mkdtemp(join(tmpdir(), "meridian-drill-"));
  const run = await meridian(
    "drill",
    "run",
    await shortened(folder),
    "--without",
    "failover",
    "--report",
    folder,
    "--json",
  );
  assert.equal(run.exitCode, 1, `${run.stdout.slice(0, 4_000)}\n${run.stderr}`);
  const report = Value.Parse(
    DrillReport,
    JSON.parse(await readFile(join(folder, "report.json"), "utf8")),
  );
  assert.equal(report.verdict, "FAILED");
  assert.ok(
    report.findings.some((finding) => !finding.holds && finding.bound === "idempotentLostMax"),
    JSON.stringify(report.findings),
  );
});

test("a file that is no experiment is INVALID and nothing is started", async () => {
  const folder = await mkdtemp(join(tmpdir(), "meridian-drill-"));
  const path = join(folder, "broken.json");
  await writeFile(path, '{"title": "nothing else"}');
  const run = await meridian("drill", "run", path, "--report", folder);
  assert.equal(run.exitCode, 2);
});

/** The committed drill with shorter phases, so that the suite stays quick; bounds and everything else as they are. */
async function shortened(folder: string): Promise<string> {
  const experiment = JSON.parse(
    await readFile(join(REPOSITORY, "chaos/drills/zone-kill.json"), "utf8"),
  ) as {
    extensions: { drill: { phases: Record<string, number> } }[];
  };
  for (const extension of experiment.extensions) {
    extension.drill.phases = { ...extension.drill.phases, baselineMs: 4_000, faultMs: 8_000 };
  }
  const path = join(folder, "zone-kill.json");
  await writeFile(path, JSON.stringify(experiment));
  return path;
}
