import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Value } from "typebox/value";
import { DrillReport } from "#lib/contracts/drill.ts";
import { type CommandResult, meridian, REPOSITORY } from "./support/federation.ts";

/** A run on a machine too busy to measure is INVALID and says nothing; it may be repeated. A FAILED one never is. */
const ATTEMPTS = 3;
const EXIT_INVALID = 2;

test("the zone-kill drill passes on the system as it is, with a report that can be read", async (t) => {
  const drilled = await drill(t);
  if (drilled === undefined) return t.skip(TOO_BUSY);
  const { run, report, html } = drilled;
  assert.equal(run.exitCode, 0, explain(run));
  assert.equal(report.verdict, "PASSED");
  assert.equal(report.cleanup, "CLEAN");
  assert.deepEqual(report.leftBehind, []);
  const { shiftedAfterMs, detectedAfterMs, restoredAfterMs } = report.timings;
  assert.ok(shiftedAfterMs !== null && detectedAfterMs !== null && restoredAfterMs !== null);
  assert.deepEqual(
    report.series.filter((series) => series.sent === 0),
    [],
    "every series sent something",
  );
  assert.match(html, /<svg/);
});

test("with failover switched off the same drill fails and names the bound that broke", async (t) => {
  const drilled = await drill(t, "--without", "failover");
  if (drilled === undefined) return t.skip(TOO_BUSY);
  const { run, report } = drilled;
  assert.equal(run.exitCode, 1, explain(run));
  assert.equal(report.verdict, "FAILED");
  const broken = report.findings.filter(({ holds }) => !holds).map(({ bound }) => bound);
  assert.ok(broken.includes("idempotentLostMax"), broken.join(" "));
});

test("a file that is no experiment is INVALID and nothing is started", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "broken.json");
  await writeFile(path, '{"title": "nothing else"}');
  const run = await meridian("drill", "run", path, "--report", folder);
  assert.equal(run.exitCode, EXIT_INVALID);
});

const TOO_BUSY = "this machine was too busy to measure: run it again on a quiet one";

interface Drilled {
  readonly run: CommandResult;
  readonly report: DrillReport;
  readonly html: string;
}

/** Undefined when no attempt could measure anything. */
async function drill(t: TestContext, ...flags: string[]): Promise<Drilled | undefined> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const folder = await temporaryFolder(t);
    const experiment = await shortened(folder);
    const run = await meridian("drill", "run", experiment, "--report", folder, "--json", ...flags);
    const read = (name: string) => readFile(join(folder, name), "utf8");
    const report = Value.Parse(DrillReport, JSON.parse(await read("report.json")));
    const wasStarved = run.exitCode === EXIT_INVALID && !report.generator.isHealthy;
    if (!wasStarved) return { run, report, html: await read("report.html") };
    t.diagnostic(`attempt ${attempt}: ${report.reasons.join("; ")}`);
  }
  return undefined;
}

const explain = ({ stdout, stderr }: CommandResult) => `${stdout.slice(0, 3_000)}\n${stderr}`;

/** The committed drill with shorter phases, so that the suite stays quick; bounds and everything else as they are. */
async function shortened(folder: string): Promise<string> {
  const committed = await readFile(join(REPOSITORY, "chaos/drills/zone-kill.json"), "utf8");
  const experiment = JSON.parse(committed) as {
    extensions: { drill: { phases: Record<string, number> } }[];
  };
  for (const { drill: extension } of experiment.extensions)
    extension.phases = { ...extension.phases, baselineMs: 4_000, faultMs: 8_000 };
  const path = join(folder, "zone-kill.json");
  await writeFile(path, JSON.stringify(experiment));
  return path;
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "meridian-drill-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
