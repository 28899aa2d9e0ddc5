import type { Command } from "@commander-js/extra-typings";
import { setTimeout as sleep } from "node:timers/promises";
import { ANSWER_HEADERS } from "#lib/contracts/invocation.ts";
import { fromProblem } from "#lib/problem.ts";
import { type ApiClient, failureIn } from "../api-client.ts";
import {
  connectedCommand,
  examples,
  nameOf,
  tenantOption,
  wholeNumber,
} from "../command-options.ts";
import { connectAsTenant } from "../connect.ts";
import { EXIT_FAILED, NoAnswerError } from "../failures.ts";
import type { HttpAnswer } from "../http-exchange.ts";
import { type CallBody, readCallBody } from "../read-call-body.ts";
import { printDocument, printLine } from "../print.ts";

/** More than the longest time limit of a function. */
const CALL_LIMIT_MS = 930_000;

export function registerInvoke(program: Command): void {
  connectedCommand(program, "invoke", "call a function and print what it answers")
    .argument("<function>", "", nameOf)
    .addOption(tenantOption())
    .option("--data <text>", "the event, as JSON")
    .option("--file <file>", "the event, from a file (- for standard input)")
    .option("--alias <name>", "which alias to call (default: live)", nameOf)
    .option("--region <name>", "call as if from this region or zone")
    .option("--idempotency-key <key>", "with an earlier call's key: its answer, not a second run")
    .option(
      "--repeat <n>",
      "call n times, 0 for ever, and print a line for each",
      wholeNumber(0, 1e9),
    )
    .option("--every <ms>", "time between repeated calls", wholeNumber(0, 3_600_000), 1_000)
    .addHelpText(
      "after",
      `
Without --data and --file the event is what is piped in, else {}. A file that ends in .json is sent as
JSON, other text as text, anything else as bytes. With --repeat and --json each line is a document.
An error of the function itself ends with exit code 1, its error object on standard output.
${examples(
  `meridian invoke hello --data '{"name":"you"}'`,
  "meridian invoke render-markdown --file README.md",
  "meridian invoke hello --repeat 0 --every 500",
)}`,
    )
    .action(async (functionName, flags) => {
      const body = await readCallBody(flags);
      const { client, tenant } = await connectAsTenant(flags, flags.tenant);
      const call = (): Promise<HttpAnswer> =>
        sendCall(client, pathOf(tenant, functionName, flags.alias), body, {
          "meridian-region": flags.region,
          "idempotency-key": flags.idempotencyKey,
        });
      if (flags.repeat !== undefined)
        return repeat(call, {
          times: flags.repeat,
          everyMs: flags.every,
          asJson: flags.json === true,
        });
      const answer = await call();
      if (answer.status >= 400) throw failureIn(answer, client.endpoint);
      if (flags.json === true) printDocument(describeAnswer(answer));
      else printBody(answer.body);
      const functionError = header(answer, ANSWER_HEADERS.functionError);
      if (functionError === undefined) return;
      process.stderr.write(
        `error: the function itself failed (${functionError}), request ${header(answer, ANSWER_HEADERS.requestId) ?? "unknown"}; "meridian logs ${functionName}" may tell why\n`,
      );
      process.exitCode = EXIT_FAILED;
    });
}

/** As it came; on a terminal what follows begins on a line of its own. */
function printBody(body: Buffer): void {
  process.stdout.write(body);
  if (process.stdout.isTTY && body.at(-1) !== 0x0a) process.stdout.write("\n");
}

function pathOf(tenant: string, functionName: string, alias: string | undefined): string {
  const query = alias === undefined ? "" : `?alias=${encodeURIComponent(alias)}`;
  return `/v1/tenants/${encodeURIComponent(tenant)}/functions/${encodeURIComponent(functionName)}:invoke${query}`;
}

const sendCall = (
  client: ApiClient,
  path: string,
  { contentType, bytes }: CallBody,
  headers: Readonly<Record<string, string | undefined>>,
): Promise<HttpAnswer> =>
  client.raw({
    method: "POST",
    path,
    headers: {
      "content-type": contentType,
      ...Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)),
    },
    body: bytes,
    timeoutMs: CALL_LIMIT_MS,
  });

/** One call after the other at a steady pace; a failed one is a line too. */
async function repeat(
  call: () => Promise<HttpAnswer>,
  { times, everyMs, asJson }: { times: number; everyMs: number; asJson: boolean },
): Promise<void> {
  const last = times === 0 ? Number.POSITIVE_INFINITY : times;
  for (let count = 1; count <= last; count += 1) {
    const startedAtMs = performance.now();
    const line = await attempt(call);
    const tookMs = Math.round(performance.now() - startedAtMs);
    printLine(asJson ? JSON.stringify({ ...line, ms: tookMs }) : formatLine(line, tookMs));
    if (line.failure !== null) process.exitCode = EXIT_FAILED;
    if (count === last) return;
    await sleep(Math.max(0, everyMs - tookMs));
  }
}

interface RepeatLine {
  readonly status: number | null;
  readonly zone: string | null;
  readonly cluster: string | null;
  readonly version: string | null;
  readonly attempts: string | null;
  readonly failure: string | null;
}

async function attempt(call: () => Promise<HttpAnswer>): Promise<RepeatLine> {
  try {
    const answer = await call();
    return {
      status: answer.status,
      zone: header(answer, ANSWER_HEADERS.zone) ?? null,
      cluster: header(answer, ANSWER_HEADERS.cluster) ?? null,
      version: header(answer, ANSWER_HEADERS.version) ?? null,
      attempts: header(answer, ANSWER_HEADERS.attempts) ?? null,
      failure: failureOf(answer),
    };
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    const nothing = { status: null, zone: null, cluster: null, version: null, attempts: null };
    return { ...nothing, failure: "no answer" };
  }
}

function failureOf(answer: HttpAnswer): string | null {
  if (answer.status >= 400) {
    const problem = fromProblem(parse(answer.body.toString("utf8")));
    return problem?.code ?? "failed";
  }
  return header(answer, ANSWER_HEADERS.functionError) ?? null;
}

const formatLine = (line: RepeatLine, tookMs: number): string =>
  [
    line.status ?? "---",
    ...(line.zone === null ? [] : [line.zone, line.cluster ?? "-"]),
    ...(line.version === null ? [] : [`version ${line.version}`]),
    ...(line.attempts === null ? [] : [`attempts ${line.attempts}`]),
    `${tookMs} ms`,
    ...(line.failure === null ? [] : [line.failure]),
  ].join("  ");

const describeAnswer = (answer: HttpAnswer): object => ({
  status: answer.status,
  headers: answer.headers,
  body: parse(answer.body.toString("utf8")) ?? answer.body.toString("utf8"),
});

function header(answer: HttpAnswer, name: string): string | undefined {
  const value = answer.headers[name];
  return typeof value === "string" ? value : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
