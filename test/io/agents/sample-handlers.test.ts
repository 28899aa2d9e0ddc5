import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { hasPython } from "../../support/has-python.ts";
import {
  type Answer,
  eventually,
  type Placed,
  type RunningAgent,
  startAgentHere,
} from "./support/agent-world.ts";

/*
 * Handlers as people publish them for AWS Lambda, written against `handler(event, context)` and run unchanged: functions/samples.
 */

const pythonOnly = hasPython()
  ? {}
  : { skip: "python3 was not found: `apt install python3` brings it" };

type Language = "node" | "python";

const sample = (runtime: Language, file: string, name = "handler"): Placed => ({
  name: `sample-${file.replaceAll(/[^a-z]/g, "-")}-${name.replaceAll("_", "-")}`,
  manifest: { runtime, handler: `samples/${file}.${name}`, timeoutMs: 10_000 },
});

/** One test for the same handler in each language. */
function inBoth(
  sentence: string,
  samples: Readonly<Record<Language, Placed>>,
  run: (agent: RunningAgent, name: string, language: Language) => Promise<void>,
): void {
  for (const language of ["node", "python"] as const)
    test(`${language}: ${sentence}`, language === "python" ? pythonOnly : {}, async (t) => {
      const placed = samples[language];
      await run(await startAgentHere(t, [placed]), placed.name, language);
    });
}

const call = async (t: TestContext, placed: Placed, json: unknown = {}): Promise<Answer> =>
  (await startAgentHere(t, [placed])).invoke(placed.name, { json });

inBoth(
  "an HTTP API for payload 2.0 reads and writes what it is asked to",
  { node: sample("node", "notes-api"), python: sample("python", "notes_api", "lambda_handler") },
  async (agent, name) => {
    const ask = (method: string, path: string, json?: unknown): Promise<Answer> =>
      agent.invoke(name, { http: { method, path, rawQuery: "tag=new" }, json });
    const made = await ask("POST", "/notes", { id: 7, text: "ü" });
    assert.equal(made.status, 201, made.text);
    assert.equal(made.headers["location"], "/notes/7");
    assert.equal(made.headers["set-cookie"], "last=1; HttpOnly");
    assert.deepEqual(made.json(), { id: 7, text: "ü" });
    assert.deepEqual((await ask("GET", "/notes")).json(), { tag: "new", count: 1 });
    assert.equal((await ask("POST", "/notes")).status, 400);
    assert.equal((await ask("GET", "/other")).status, 404);
  },
);

inBoth(
  "an event of S3 is read",
  {
    node: sample("node", "object-created"),
    python: sample("python", "object_created", "lambda_handler"),
  },
  async (agent, name) => {
    const object = { key: "in/a+b%C3%BC.txt", size: 1 };
    const Records = [{ eventSource: "aws:s3", s3: { bucket: { name: "photos" }, object } }];
    const answer = await agent.invoke(name, { json: { Records } });
    assert.deepEqual(answer.json(), ["photos/a bü.txt"]);
    await assertLogged(agent, name, /request r-1 with 1 records/);
  },
);

inBoth(
  "a batch of messages is answered with those that failed",
  { node: sample("node", "queue-batch"), python: sample("python", "queue_batch") },
  async (agent, name) => {
    const bodies = ['{"amount":1}', '{"amount":0}', "no JSON"];
    const Records = bodies.map((body, index) => ({ messageId: `m-${index}`, body }));
    const answer = await agent.invoke(name, { json: { Records } });
    const batchItemFailures = [{ itemIdentifier: "m-1" }, { itemIdentifier: "m-2" }];
    assert.deepEqual(answer.json(), { batchItemFailures });
  },
);

inBoth(
  "a handler that looks at its remaining time stops before it is over",
  { node: sample("node", "within-time"), python: sample("python", "within_time") },
  async (agent, name) => {
    const some = await agent.invoke(name, { json: { steps: 3, stepMs: 5 } });
    assert.deepEqual(some.json(), { done: 3, isLess: true });
    const all = await agent.invoke(name, { json: { steps: 1e9, stepMs: 5 }, deadlineMs: 2_000 });
    assert.equal(all.status, 200, all.text);
    assert.equal(all.headers["meridian-function-error"], undefined, all.text);
  },
);

inBoth(
  "errors of its own keep their names",
  { node: sample("node", "validates"), python: sample("python", "validates") },
  async (agent, name, language) => {
    const answer = await agent.invoke(name, { json: {} });
    assert.equal(answer.headers["meridian-function-error"], "Handled");
    const { errorType, errorMessage, ...error } = answer.json();
    const stack = error[language === "python" ? "stackTrace" : "trace"];
    assert.deepEqual([errorType, errorMessage], ["ValidationError", "name is missing"]);
    assert.ok(Array.isArray(stack));
    // Where the function was, and not how the runner came to it.
    const first =
      language === "python" ? /validates\.py", line \d+, in handler/ : /name is missing/;
    assert.match(String(stack[0]), first);
    assert.deepEqual((await agent.invoke(name, { json: { name: "Ann" } })).json(), { name: "Ann" });
  },
);

inBoth(
  "the context and the environment say what they say on AWS Lambda",
  { node: sample("node", "context"), python: sample("python", "context") },
  async (agent, name, language) => {
    const said = (await agent.invoke(name, { requestId: "r-9" })).json();
    const { context, environment, runtime } = said as Record<string, Record<string, unknown>>;
    const stream = environment?.["AWS_LAMBDA_LOG_STREAM_NAME"];
    const group = `/meridian/demo/${name}`;
    const arn = `arn:meridian:lambda::demo:function:${name}:1`;
    assert.match(String(stream), /^[0-9a-f]+-\d+$/);
    assert.equal(runtime, true);
    assert.deepEqual(environment, {
      _HANDLER: "samples/context.handler",
      AWS_LAMBDA_FUNCTION_NAME: name,
      AWS_LAMBDA_FUNCTION_VERSION: "1",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "128",
      AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
      AWS_LAMBDA_LOG_GROUP_NAME: group,
      AWS_LAMBDA_LOG_STREAM_NAME: stream,
      TZ: "UTC",
      LANG: "C.UTF-8",
    });
    const inPython = {
      function_name: name,
      function_version: "1",
      invoked_function_arn: arn,
      memory_limit_in_mb: "128",
      aws_request_id: "r-9",
      log_group_name: group,
      log_stream_name: stream,
      identity: null,
      client_context: null,
    };
    const inNode = {
      functionName: name,
      functionVersion: "1",
      invokedFunctionArn: arn,
      memoryLimitInMB: "128",
      awsRequestId: "r-9",
      logGroupName: group,
      logStreamName: stream,
      callbackWaitsForEmptyEventLoop: false,
    };
    assert.deepEqual(context, language === "python" ? inPython : inNode);
    if (language === "python") await assertLogged(agent, name, /told through the context/);
  },
);

inBoth(
  "what is printed at any level is in the log",
  { node: sample("node", "levels"), python: sample("python", "levels") },
  async (agent, name, language) => {
    assert.equal((await agent.invoke(name)).text, "printed");
    const lines =
      language === "node"
        ? ["debug", "info", "log", "warn", "error"].map((level) => `at ${level}`)
        : ["at warning", "printed", "to stderr", "as bytes ü"];
    for (const line of lines) await assertLogged(agent, name, new RegExp(`${line}$`, "m"));
    if (language === "python")
      await assertLogged(agent, name, /^\[WARNING\]\t\d{4}-.*T.*Z\tr-1\tat warning$/m);
  },
);

test("node: answers through the callback, in CommonJS without a package.json", async (t) => {
  const placed = sample("node", "callback");
  const agent = await startAgentHere(t, [placed]);
  const ask = (json: unknown): Promise<Answer> => agent.invoke(placed.name, { json });
  assert.deepEqual((await ask({ value: 21 })).json(), { doubled: 42 });
  const error = (await ask({ fail: "error" })).json();
  assert.deepEqual(
    [error["errorType"], error["errorMessage"]],
    ["TypeError", "told through the callback"],
  );
  assert.equal((await ask({ fail: "text" })).json()["errorMessage"], "told as text");
});

test("node: top-level await runs once for each instance, before the first call", async (t) => {
  const placed = sample("node", "lookup");
  const agent = await startAgentHere(t, [placed]);
  for (const isFirst of [true, false])
    assert.deepEqual((await agent.invoke(placed.name)).json(), {
      lines: true,
      isFirst,
      root: true,
    });
});

test(
  "python: a package finds its neighbours and what was put beside the code",
  pythonOnly,
  async (t) => {
    const placed = sample("python", "python_package/app");
    const agent = await startAgentHere(t, [placed]);
    for (const isFirst of [true, false])
      assert.deepEqual((await agent.invoke(placed.name)).json(), { text: "Hello!", isFirst });
  },
);

test("python: decimals are numbers, digit for digit", pythonOnly, async (t) => {
  const answer = await call(t, sample("python", "prices"));
  assert.equal(answer.text, '{"price": 10.10, "rows": [{"n": 3}, {"n": 0.1}], "text": "ü"}');
});

for (const [name, type] of [
  ["dated", "date"],
  ["generates", "generator"],
  ["generates_later", "async_generator"],
] as const)
  test(`python: a result with a ${type} is an error that names it`, pythonOnly, async (t) => {
    const answer = await call(t, sample("python", "prices", name));
    const { errorType, errorMessage } = answer.json();
    assert.equal(errorType, "Runtime.MarshalError");
    assert.match(String(errorMessage), new RegExp(`Object of type ${type} is not JSON`));
  });

async function assertLogged(agent: RunningAgent, name: string, line: RegExp): Promise<void> {
  const path = `/internal/logs?tenant=demo&function=${name}&limit=1000`;
  await eventually(async () => {
    const { items } = (await agent.get(path)).json() as { items: { text: string }[] };
    return line.test(items.map(({ text }) => text).join("\n"));
  });
}
