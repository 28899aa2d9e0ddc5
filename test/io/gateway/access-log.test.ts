import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pino } from "pino";
import { accessLog } from "../../../gateway/io/access-log.ts";
import type { RequestRecord } from "../../../gateway/stages/account.ts";
import { attemptNote } from "../../core/gateway/attempt-note.ts";
import { requestRecord } from "./request-record.ts";

/** The lines that the log writes of these requests. */
function linesOf(records: readonly RequestRecord[], share = 1): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line));
  const log = pino({ level: "info", base: {}, timestamp: false }, { write });
  const nothing = (): void => undefined;
  const writeLine = (members: string, message: string) =>
    write(`{"level":30${members},"msg":"${message}"}`);
  const output = { log, writeLine, flush: nothing, close: nothing };
  const access = accessLog(output, { share, slowAfterMs: 1_000 });
  for (const record of records) access.write(record);
  access.close();
  return lines;
}
/** Two seconds, most of them until its first cluster was given up. */
const slow = requestRecord(
  { answeredAtMs: 2_000, durationMs: 2_001 },
  {
    marks: { admitAtMs: 1, planAtMs: 2, forwardAtMs: 3 },
    attemptNotes: [
      attemptNote(3, 1_503, { failure: "not-begun", reason: "it stopped answering pings" }),
      attemptNote(1_504, 2_000, { clusterId: "us-east-1", timing: "queue;dur=0.0, run;dur=490.0" }),
    ],
  },
);

describe("the access log", () => {
  test("has a line for a request, with its trace and how it ended", () => {
    assert.deepEqual(linesOf([requestRecord({}, {})]), [
      {
        level: 30,
        requestId: "r-1",
        traceId: "a".repeat(32),
        spanId: "b".repeat(16),
        tenant: "demo",
        function: "echo",
        method: "POST",
        door: "invoke",
        version: 1,
        servedBy: "eu-west",
        cluster: "eu-west-1",
        attempts: 1,
        coldStart: false,
        status: 200,
        outcome: "success",
        requestBytes: 2,
        answerBytes: 100,
        ms: 3,
        msg: "request",
      },
    ]);
  });

  test("escapes what a caller may choose", () => {
    const requestId = 'x","status":200,"y":"\n\u2028\\';
    const [line] = linesOf([requestRecord({ requestId, method: 'G"T', status: 500 }, {})]);
    assert.equal(line?.["requestId"], requestId);
    assert.equal(line?.["method"], 'G"T');
    assert.equal(line?.["status"], 500);
  });

  test("has one line more for a slow request, with the stage that was slow", () => {
    const [request, line] = linesOf([slow]);
    assert.equal(request?.["msg"], "request");
    assert.deepEqual(line, {
      level: 40,
      requestId: "r-1",
      traceId: "a".repeat(32),
      tenant: "demo",
      function: "echo",
      ms: 2_001,
      slowStage: "attempts",
      stages: {
        authenticate: 1,
        admit: 1,
        plan: 1,
        choose: 1,
        attempts: 1_500,
        function: 490,
        link: 6,
        answer: 1,
      },
      attemptNotes: [
        {
          cluster: "eu-west-1",
          ms: 1_500,
          failure: "not-begun",
          reason: "it stopped answering pings",
        },
        { cluster: "us-east-1", ms: 496 },
      ],
      msg: "slow request",
    });
  });

  test("with a share keeps the same traces everywhere, and all errors and slow requests", () => {
    const traces = ["0".repeat(32), "f".repeat(32)].map((traceId) => ({
      ...requestRecord({}, {}).trace,
      traceId,
    }));
    const records = traces.flatMap((trace) => [
      requestRecord({ trace, requestId: "well" }, {}),
      requestRecord({ trace, requestId: "wrong", outcome: "platform-error" }, {}),
      { ...slow, trace, requestId: "slow" },
    ]);
    const kept = linesOf(records, 0.5)
      .filter(({ msg }) => msg === "request")
      .map(({ traceId, requestId }) => `${String(traceId).slice(0, 1)} ${String(requestId)}`);
    assert.deepEqual(kept, ["0 well", "0 wrong", "0 slow", "f wrong", "f slow"]);
  });

  test("does not grow with an outage: beyond the share it has two hundred lines a second", () => {
    const failed = requestRecord({ outcome: "platform-error", status: 503 }, {});
    const outage = Array.from({ length: 5_000 }, () => failed);
    const later = { ...failed, receivedAtMs: 1_000, answeredAtMs: 1_003 };
    const lines = linesOf([...outage, later], 0);
    assert.equal(lines.length, 201);
    assert.equal(lines.at(-1)?.["leftOut"], 4_800);
    assert.equal(
      linesOf(
        Array.from({ length: 500 }, () => slow),
        0,
      ).filter(({ msg }) => msg === "slow request").length,
      10,
    );
  });
});
