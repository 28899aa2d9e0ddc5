import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { Value } from "typebox/value";
import { type DrillOutcome, runDrill } from "#chaos";
import { DrillReport } from "#lib/contracts/drill.ts";
import { takeFileLock } from "#lib/io/file-lock.ts";
import type { Drill } from "../../../chaos/core/drill.ts";
import { FAKE_UP, startFake } from "./fake-federation/start-fake.ts";
import { drillOf, smallDrill, writeExperiment } from "./small-drill.ts";

let directory = "";
let journals = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "meridian-test-"));
  journals = join(directory, "journals");
  mkdirSync(journals);
});
afterEach(() => {
  delete process.env["FAKE_BUG"];
  rmSync(directory, { recursive: true });
});

interface Attempt {
  readonly drill?: Partial<Drill>;
  readonly state?: string;
  readonly withoutFailover?: boolean;
}

const attempt = ({ drill, state, withoutFailover }: Attempt): Promise<DrillOutcome> =>
  runDrill({
    experimentFile: writeExperiment(directory, smallDrill(drill)),
    ...(state === undefined ? {} : { state }),
    reportDirectory: join(directory, "report"),
    withoutFailover: withoutFailover ?? false,
    say: () => undefined,
    signal: AbortSignal.timeout(60_000),
    federationCommand: FAKE_UP,
    journalDirectory: journals,
  });

/** A machine that is busy with other things starves the generator; that is told, and may be tried again. */
async function concludeWithin(tries: number, options: Attempt): Promise<DrillReport> {
  for (let number = 1; ; number += 1) {
    const outcome = await attempt(options);
    assert.ok(outcome.kind === "ran");
    const { report } = outcome;
    const isStarved = report.verdict === "INVALID" && !report.generator.isHealthy;
    if (!isStarved || number === tries) return report;
  }
}

const boundsOf = (report: DrillReport): string[] =>
  report.findings.filter(({ holds }) => !holds).map(({ bound }) => bound);

test("a federation that fails over passes; the reports are there, and nothing else is left", async (context) => {
  // Late answers are the machine's matter here, not the runner's.
  const bounds = { ...boundsOfShipped(), lateMax: 1_000_000 };
  const report = await concludeWithin(3, { drill: { bounds } });
  if (!report.generator.isHealthy) return context.skip("this machine is too busy to measure on");
  assert.equal(report.verdict, "PASSED", JSON.stringify(report.reasons));
  assert.equal(report.cleanup, "CLEAN");
  assert.deepEqual(readdirSync(journals), []);
  const written: unknown = JSON.parse(readFileSync(join(directory, "report/report.json"), "utf8"));
  assert.deepEqual(Value.Errors(DrillReport, written), []);
  const journal = JSON.parse(
    readFileSync(join(directory, "report/journal.json"), "utf8"),
  ) as Journal;
  assert.equal(journal.steady_states.before.probes[0]?.tolerance_met, true);
  assert.equal(journal.steady_states.after.probes[0]?.tolerance_met, true);
  for (const deeds of [journal.run, journal.rollbacks]) {
    assert.equal(deeds.length, 1);
    assert.ok(deeds.every(({ start, end, duration }) => duration > 0 && start < end));
  }
  for (const name of ["report.html", "junit.xml", "journal.json", "calls.jsonl", "ledger.jsonl"])
    assert.ok(existsSync(join(directory, "report", name)), name);
});

interface Journal {
  readonly steady_states: Readonly<
    Record<"before" | "after", { readonly probes: readonly { readonly tolerance_met: boolean }[] }>
  >;
  readonly run: readonly JournalDeed[];
  readonly rollbacks: readonly JournalDeed[];
}

interface JournalDeed {
  readonly start: string;
  readonly end: string;
  readonly duration: number;
}

const boundsOfShipped = (): Drill["bounds"] => drillOf(smallDrill()).bounds;

test("without failover the same drill fails and names the bounds that broke", async (context) => {
  const report = await concludeWithin(3, { withoutFailover: true });
  if (!report.generator.isHealthy) return context.skip("this machine is too busy to measure on");
  assert.equal(report.verdict, "FAILED", JSON.stringify(report.reasons));
  for (const bound of ["shiftedAfterMsMax", "detectedAfterMsMax", "idempotentLostMax"])
    assert.ok(boundsOf(report).includes(bound), bound);
});

test("a federation that runs a call twice, and one that answers without running it, are found out", async () => {
  process.env["FAKE_BUG"] = "runs-twice,answers-without-running";
  const outcome = await attempt({});
  assert.ok(outcome.kind === "ran");
  for (const bound of ["duplicatedMax", "idempotentLostMax"])
    assert.ok(boundsOf(outcome.report).includes(bound), bound);
  assert.notEqual(outcome.report.verdict, "PASSED");
});

test("a fault that did not act proves nothing", async () => {
  process.env["FAKE_BUG"] = "does-not-kill";
  const outcome = await attempt({});
  assert.ok(outcome.kind === "ran");
  assert.equal(outcome.report.verdict, "INVALID");
  assert.match(outcome.report.reasons.join(), /fault was not proved/);
});

test("a drill ends early when more fails than it allows, and undoes its fault", async () => {
  const abort = { failedPercentMax: 5, windowMs: 1_000 };
  const outcome = await attempt({ drill: { abort }, withoutFailover: true });
  assert.ok(outcome.kind === "ran");
  assert.equal(outcome.report.verdict, "ABORTED");
  assert.match(outcome.report.reasons.join(), /% of the calls failed within 1000 ms/);
  assert.deepEqual(outcome.report.leftBehind, []);
});

test("a federation that cannot be started blocks the drill and leaves nothing", async () => {
  const outcome = await runDrill({
    experimentFile: writeExperiment(directory, smallDrill()),
    reportDirectory: join(directory, "report"),
    withoutFailover: false,
    say: () => undefined,
    signal: AbortSignal.timeout(60_000),
    federationCommand: [process.execPath, "-e", "process.exit(3)"],
    journalDirectory: journals,
  });
  assert.ok(outcome.kind === "ran");
  assert.equal(outcome.report.verdict, "BLOCKED");
  assert.match(outcome.report.reasons.join(), /"meridian up" ended \(code \d+\)/);
  assert.deepEqual(readdirSync(journals), []);
});

test("failover of a running federation is not switched off", async () => {
  const outcome = await attempt({ state: directory, withoutFailover: true });
  assert.ok(outcome.kind === "invalid");
  assert.match(outcome.mistakes.join(), /--without failover needs a federation of the drill's own/);
});

test("on a running federation a drill begins only where it may, alone, and changes nothing otherwise", async () => {
  const fake = await startFake();
  const { stateDirectory } = fake;
  try {
    const refusals: { name: string; attempt: Attempt; because: RegExp }[] = [
      {
        name: "nobody runs it",
        attempt: { state: directory },
        because: /no "meridian up" runs on/,
      },
      {
        name: "too large a share",
        attempt: { state: stateDirectory, drill: { blastRadiusPercentMax: 33 } },
        because: /one of 3 zones is 33\.3 %/,
      },
      {
        name: "somebody else's traffic",
        attempt: { state: stateDirectory, drill: { tenants: ["acme"] } },
        because: /also touches demo:/,
      },
    ];
    // The other tenant, idle, has no function: a dead zone does not touch it.
    writeFileSync(join(stateDirectory, "functions.json"), JSON.stringify({ theirs: {} }));
    const before = fake.pidsOf("eu-west");
    for (const refusal of refusals) await refuse(refusal.attempt, refusal.because);
    const lock = takeFileLock(join(stateDirectory, "drill-lock.sqlite"));
    await refuse({ state: stateDirectory }, /another drill runs on/);
    lock?.release();
    assert.deepEqual(fake.pidsOf("eu-west"), before);
    assert.deepEqual(fake.functions(), ["theirs"]);
  } finally {
    await fake.stop();
    rmSync(stateDirectory, { recursive: true });
  }
});

async function refuse(options: Attempt, because: RegExp): Promise<void> {
  const outcome = await attempt(options);
  assert.ok(outcome.kind === "ran");
  assert.equal(outcome.report.verdict, "BLOCKED");
  assert.match(outcome.report.reasons.join(), because);
  assert.deepEqual(readdirSync(journals), []);
}
