import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { pino } from "pino";
import { Value } from "typebox/value";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { AgentUsageQuery } from "#lib/contracts/usage.ts";
import { type ErrorCode, MeridianError } from "#lib/errors.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { CallOutcome } from "../../../agents/io/call-outcome.ts";
import type { PoolVersion } from "../../../agents/io/pool-version.ts";
import { usageRecorder } from "../../../agents/io/usage-recorder.ts";

const ALL: AgentUsageQuery = {
  fromMs: 0,
  toMs: 8_000_000_000_000_000,
  interval: "total",
  by: "tenant",
  limit: 10,
};
const done: CallOutcome = { kind: "result", json: Buffer.from("1"), coldStart: undefined };
const versionOf = (version: number): PoolVersion => ({
  tenant: "demo",
  functionName: "hello",
  version: {
    version,
    codeDigest: `sha256:${"0".repeat(64)}`,
    codeBytes: 1,
    manifest: Value.Parse(FunctionManifest, Value.Default(FunctionManifest, { name: "hello" })),
  },
});

/** A recorder whose clock the test moves, and what it said. */
async function prepare(t: TestContext, bytesMax: number) {
  const folder = await mkdtemp(join(tmpdir(), "usage-recorder-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const said: string[] = [];
  const log = pino({}, { write: (line: string) => void said.push(JSON.parse(line).msg) });
  let nowMs = 0;
  const clock = { ...systemClock, nowMs: () => nowMs };
  return {
    folder,
    said,
    wait: (ms: number) => (nowMs += ms),
    open: () => usageRecorder({ file: join(folder, "usage", "book.db"), bytesMax }, clock, log),
  };
}

test("while the book cannot be opened all is counted in memory, said once, and written when it can", async (t) => {
  const { folder, said, wait, open } = await prepare(t, 2 ** 24);
  await writeFile(join(folder, "usage"), "a file where the folder should be");
  const usage = open();
  usage.callBegan(versionOf(1), usage)(done);
  await assert.rejects(usage.read(ALL), /MERIDIAN_OVERLOADED|cannot look up/);
  usage.callBegan(versionOf(1), usage)(done);
  assert.ok(usage.unwrittenRows() > 0);
  await assert.rejects(usage.read(ALL));
  const complaints = said.filter((message) => message.includes("kept in memory"));
  assert.equal(complaints.length, 1);

  await rm(join(folder, "usage"));
  wait(11_000);
  const { rows, isComplete } = await usage.read(ALL);
  assert.deepEqual([rows[0]?.invocations, isComplete], [2, true]);
  assert.equal(usage.unwrittenRows(), 0);
  assert.ok(said.includes("usage is written again"));
  await usage.close();
});

test("a book without room answers with what it has, and says that it is not all", async (t) => {
  const { open } = await prepare(t, 2 ** 20);
  const usage = open();
  usage.callBegan(versionOf(1), usage)(done);
  assert.equal((await usage.read(ALL)).isComplete, true);
  // All of one hour: nothing may give way for it.
  for (let version = 2; version < 30_000; version += 1) usage.sent(versionOf(version), 1);
  const { rows, isComplete } = await usage.read(ALL);
  assert.deepEqual([rows[0]?.invocations, isComplete], [1, false]);
  assert.equal(usage.unwrittenRows(), 29_998);
  await usage.close();
});

test("an answer for a function that did not start is counted, and is neither a call nor bytes of its own", async (t) => {
  const { open } = await prepare(t, 2 ** 24);
  const usage = open();
  const error = { errorType: "Runtime.ExitError", errorMessage: "exit status 3" };
  const failure = { kind: "function-error", errorKind: "Unhandled", error } as const;
  usage.answered(versionOf(1), { ...failure, coldStart: undefined }, 90);
  const timing = { queueMs: 0, runMs: 3 };
  usage.answered(versionOf(1), { ...failure, coldStart: undefined, timing }, 50);
  const [row] = (await usage.read(ALL)).rows;
  assert.deepEqual([row?.initErrors, row?.invocations, row?.egressBytes], [1, 0, 50]);
  await usage.close();
});

test("what the platform failed is not billed, and what ran until nobody waited any more is", async (t) => {
  const { open } = await prepare(t, 2 ** 24);
  const usage = open();
  const end = (code: ErrorCode, isExecuted = true): void => {
    const error = new MeridianError(code, "as the test wants it");
    usage.callBegan(versionOf(1), {})({ kind: "failed", error, isExecuted });
  };
  end("MERIDIAN_INSTANCE_LOST");
  end("MERIDIAN_ANSWER_TIMEOUT");
  // The caller left: before it had an instance, and while it ran, which is nobody's error.
  end("MERIDIAN_CONNECTION_LOST", false);
  end("MERIDIAN_CONNECTION_LOST");
  const { rows } = await usage.read(ALL);
  assert.deepEqual([rows[0]?.invocations, rows[0]?.errors], [2, 1]);
  await usage.close();
});
