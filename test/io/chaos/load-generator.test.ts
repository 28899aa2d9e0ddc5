import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import type { CallRecord, LoadPlan, LoadSeries } from "#lib/contracts/drill-load.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import { judgeGenerator } from "../../../chaos/core/judge-validity.ts";
import { type LoadEnding, startLoad } from "../../../chaos/io/load-process.ts";
import { waitFor } from "./fake-federation/start-fake.ts";

const directory = mkdtempSync(join(tmpdir(), "meridian-test-"));
const seen: string[] = [];
const server = createServer((request, response) => {
  void text(request).then((body) => {
    const { id } = JSON.parse(body) as { id: string };
    seen.push(id);
    answerAs(/functions\/([^:]+):invoke/.exec(request.url ?? "")?.[1] ?? "", id, response);
  });
}).listen(0, "127.0.0.1");
await once(server, "listening");
const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true });
});

/** The function's name says how it behaves. */
function answerAs(behaviour: string, id: string, response: ServerResponse): void {
  switch (behaviour) {
    case "breaks":
      return void response.destroy();
    case "breaks-halfway":
      response.writeHead(200, { "content-length": 100 });
      return void response.write("{", () => response.destroy());
    case "hangs":
      return;
    case "refuses":
      response.writeHead(503, { "content-type": "application/problem+json" });
      return void response.end('{"code":"MERIDIAN_OVERLOADED"}');
    case "fails":
      response.writeHead(200, { "meridian-function-error": "Unhandled" });
      return void response.end("{}");
    case "answers-another":
      return void response.end('{"id":"another"}');
    default:
      response.writeHead(200, { "meridian-zone": "eu-west", "meridian-attempts": "2" });
      return void response.end(JSON.stringify({ id }));
  }
}

const seriesTo = (functionName: string, address = endpoint): LoadSeries => ({
  name: functionName,
  endpoint: address,
  gatewayZone: null,
  functionName,
  isIdempotent: true,
});

/** Runs the load until it was enough, which is judged by what has ended so far. */
async function runLoad(
  changes: Pick<LoadPlan, "series"> & Partial<LoadPlan>,
  isEnough: (endedIn: (series: string) => number) => boolean,
): Promise<LoadEnding> {
  const load = startLoad({
    runId: "run",
    seed: 1,
    startAtMs: machineNowMs() + 300,
    requestsPerSecond: 50,
    timeoutMs: 2_000,
    tenant: "demo",
    apiKey: "mk_demo",
    callerZones: ["eu-west", "us-east"],
    callsFile: join(directory, "calls.jsonl"),
    ...changes,
  });
  const endedIn = (series: string) =>
    load.ticks(0, (name) => name === series).reduce((sum, { ok, failed }) => sum + ok + failed, 0);
  try {
    await waitFor("enough calls", () => isEnough(endedIn));
  } catch (error) {
    await load.stop();
    throw error;
  }
  return load.stop();
}

const outcomes: { functionName: string; ending: Partial<CallRecord> }[] = [
  { functionName: "answers", ending: { outcome: "ok", status: 200, zone: "eu-west", attempts: 2 } },
  { functionName: "breaks", ending: { outcome: "reset", status: null } },
  { functionName: "breaks-halfway", ending: { outcome: "reset", status: 200 } },
  { functionName: "hangs", ending: { outcome: "timeout", status: null } },
  {
    functionName: "refuses",
    ending: { outcome: "status", status: 503, detail: "MERIDIAN_OVERLOADED" },
  },
  { functionName: "fails", ending: { outcome: "wrong", status: 200, detail: "Unhandled" } },
  { functionName: "answers-another", ending: { outcome: "wrong", status: 200 } },
  { functionName: "nobody", ending: { outcome: "refused", status: null, detail: "ECONNREFUSED" } },
];

test("each call is made once, numbered, and its end is told apart", async () => {
  // Port 1 is nobody's.
  const series = outcomes.map(({ functionName }) =>
    seriesTo(functionName, functionName === "nobody" ? "http://127.0.0.1:1" : endpoint),
  );
  const { calls, callsAnnounced } = await runLoad({ series }, (endedIn) =>
    series.every(({ name }) => endedIn(name) >= 10),
  );
  assert.equal(callsAnnounced, calls.length);
  assert.equal(new Set(calls.map(({ id }) => id)).size, calls.length);
  assert.equal(new Set(seen).size, seen.length);
  const seenIds = new Set(seen);
  for (const { id, outcome } of calls) if (outcome === "ok") assert.ok(seenIds.has(id));
  for (const { functionName, ending } of outcomes) {
    const its = calls.filter((call) => call.series === functionName);
    for (const [index, call] of its.toSorted(byIntention).entries()) {
      assert.deepEqual({ ...call, ...ending }, call);
      assert.equal(call.id, `run-${functionName}-${index}`);
    }
  }
});

const byIntention = (left: CallRecord, right: CallRecord) => left.intendedMs - right.intendedMs;

test("calls go on when they are due, though not one is answered", async () => {
  seen.length = 0;
  const { calls } = await runLoad({ series: [seriesTo("hangs")] }, () => seen.length >= 40);
  assert.ok(calls.length >= 40);
});

test("latency counts from when a call was due: a generator that came late shows its slip", async () => {
  const { calls } = await runLoad(
    { series: [seriesTo("answers")], startAtMs: machineNowMs() - 200 },
    (endedIn) => endedIn("answers") >= 10,
  );
  const first = calls.find(({ id }) => id === "run-answers-0");
  assert.ok(first !== undefined && first.sentMs - first.intendedMs >= 150);
  const generator = judgeGenerator(calls, 1_000);
  assert.ok(generator.slipP999Ms >= 150);
  assert.equal(generator.isHealthy, false);
});
