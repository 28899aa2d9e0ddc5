import { endWrong, readOptions, wholeNumber } from "../support/read-options.ts";
import { type FuzzResult, fuzzGateway, inputOf, sendInput } from "./fuzz-gateway.ts";
import { compareLanes, fuzzLanes, type LanesResult } from "./fuzz-lanes.ts";
import { startGatewayChild } from "./gateway-child.ts";
import { holdIdle, holdSlow } from "./hold-connections.ts";
import { laneCase } from "./lane-cases.ts";
import { openLanePair } from "./lane-pair.ts";

/*
 * `npm run fuzz -- gateway`: mutated requests, over raw connections, to a gateway of its own with an agent that counts; `lanes`: the
 * same connections through both lanes of its door; `slow` and `idle`: connections that hold a gateway up.
 */

const HELP = `Sends what no good caller sends to a gateway of its own, and checks that it does not fail by it.

  npm run fuzz -- gateway [--requests N] [--seed N] [--connections N] [--input N] [--json]
  npm run fuzz -- lanes [--cases N] [--seed N] [--connections N] [--case N] [--json]
  npm run fuzz -- slow [--clients N] [--json]
  npm run fuzz -- idle [--connections N] [--json]

gateway: requests that are mutated from a corpus
  --requests N     how many (default 10000)
  --seed N         where they come from (default 1); the same seed gives the same requests
  --connections N  at once (default 64)
  --input N        one request only, with what was sent and what was answered

lanes: connections with plain and other requests, whole and in pieces, through a door with the fast lane and one without
  --cases N        how many (default 10000)
  --case N         one connection only, with what was sent and what both answered

slow: clients that take their time with headers, bodies and answers, beside 200 calls a second
  --clients N      how many (default 2000)

idle: connections that have asked once and wait
  --connections N  how many (default 10000)

Examples:
  npm run fuzz -- gateway --requests 100000 --seed 7
  npm run fuzz -- gateway --seed 7 --input 4711
  npm run fuzz -- slow --clients 500
`;
const PROGRESS_EACH_MS = 250;
const LINES_EACH = 5_000;

const { values, positionals } = readOptions(HELP, {
  requests: { type: "string", default: "10000" },
  seed: { type: "string", default: "1" },
  connections: { type: "string" },
  cases: { type: "string", default: "10000" },
  case: { type: "string" },
  clients: { type: "string", default: "2000" },
  input: { type: "string" },
  json: { type: "boolean", default: false },
});
const seed = wholeNumber("seed", values.seed, 0);

process.exitCode = await run(positionals.join(" "));

async function run(what: string): Promise<number> {
  switch (what) {
    case "gateway":
      return values.input === undefined
        ? await fuzzMany()
        : await replay(wholeNumber("input", values.input, 0));
    case "lanes":
      return values.case === undefined
        ? await fuzzBothLanes()
        : await replayCase(wholeNumber("case", values.case, 0));
    case "slow":
      return tellOf(await holdSlow(wholeNumber("clients", values.clients, 1)));
    case "idle":
      return tellOf(await holdIdle(wholeNumber("connections", values.connections ?? "10000", 1)));
    default:
      return endWrong("say what to try: gateway, lanes, slow or idle; --help tells what they are");
  }
}

async function fuzzMany(): Promise<number> {
  const requests = wholeNumber("requests", values.requests, 1);
  const result = await fuzzGateway({
    requests,
    seed,
    connections: wholeNumber("connections", values.connections ?? "64", 1),
    onProgress: progress(requests),
  });
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : describe(result));
  return result.findings.length === 0 ? 0 : 1;
}

/** Told on a terminal often, elsewhere now and then. */
function progress(total: number): (done: number, findings: number) => void {
  let shownAtMs = 0;
  return (done, findings) => {
    if (values.json) return;
    const line = `${done} of ${total} inputs, ${findings} findings`;
    const nowMs = performance.now();
    if (process.stderr.isTTY && nowMs - shownAtMs >= PROGRESS_EACH_MS) {
      shownAtMs = nowMs;
      process.stderr.write(`\r${line}\r`);
    } else if (!process.stderr.isTTY && done % LINES_EACH === 0) process.stderr.write(`${line}\n`);
  };
}

async function fuzzBothLanes(): Promise<number> {
  const cases = wholeNumber("cases", values.cases, 1);
  const result = await fuzzLanes({
    cases,
    seed,
    pairs: wholeNumber("connections", values.connections ?? "64", 1),
    onProgress: progress(cases),
  });
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : describeLanes(result));
  return result.differences.length === 0 ? 0 : 1;
}

function describeLanes(result: LanesResult): string {
  return [
    ...result.differences.map(
      ({ number }) => `again with npm run fuzz -- lanes --seed ${result.seed} --case ${number}`,
    ),
    `${result.cases} connections from seed ${result.seed} in ${result.seconds.toFixed(1)} s: ${result.requests} requests, ${result.servedFast} of them by the fast lane`,
    `${result.repeated} sent again because of their timing; ${result.differences.length} differences`,
    "",
  ].join("\n");
}

/** One connection through both lanes. */
async function replayCase(number: number): Promise<number> {
  const sent = laneCase(seed, number);
  await using pair = await openLanePair(false);
  const { fast, node, isEqual } = await compareLanes(pair, sent, false);
  process.stdout.write(`${JSON.stringify({ isEqual, sent, fast, node }, undefined, 2)}\n`);
  return isEqual ? 0 : 1;
}

function describe(result: FuzzResult): string {
  const { requests, seconds, statuses, unanswered, findings } = result;
  const answers = Object.entries(statuses).map(([status, count]) => `${count} × ${status}`);
  return [
    ...findings.map(
      ({ kind, input, detail }) =>
        `${kind}: ${detail}${input === undefined ? "" : `; again with npm run fuzz -- gateway --seed ${seed} --input ${input}`}`,
    ),
    `${requests} inputs from seed ${seed} in ${seconds.toFixed(1)} s: ${answers.join(", ")}; ${unanswered} without an answer`,
    `agents saw ${result.agentCalls} calls, the access log has ${result.loggedAttempts}`,
    `${findings.length} findings`,
    "",
  ].join("\n");
}

/** One input, as text in which each byte can be read. */
async function replay(input: number): Promise<number> {
  await using gateway = await startGatewayChild();
  const { text, isHanging } = await sendInput(gateway.publicUrl, seed, input);
  const sent = JSON.stringify(inputOf(seed, input).bytes);
  const outcome = `${JSON.stringify(text)}${isHanging ? ", and hung" : ""}`;
  process.stdout.write(`sent:     ${sent}\nanswered: ${outcome}\n`);
  const exitCode = await gateway.stop();
  for (const failure of gateway.failures) process.stdout.write(`logged:   ${failure}\n`);
  return exitCode === 0 && !isHanging && gateway.failures.length === 0 ? 0 : 1;
}

function tellOf(result: object): number {
  const lines = Object.entries(result).map(([name, value]) => `${name}: ${String(value)}\n`);
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : lines.join(""));
  return "failures" in result && result.failures !== 0 ? 1 : 0;
}
