import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { hasPython } from "../../support/has-python.ts";
import type { Answer, Placed, RunningAgent } from "./support/agent-world.ts";
import { eventually, isAlive, startAgentHere } from "./support/agent-world.ts";

const pythonOnly = hasPython() ? {} : { skip: "python3 was not found on this machine" };

const node = (name: string, manifest: Placed["manifest"] = {}): Placed => ({ name, manifest });
const python = (name: string, manifest: Placed["manifest"] = {}): Placed => ({
  name,
  manifest: { runtime: "python", handler: `snake.${name}`, ...manifest },
});

const startWith = (t: TestContext, ...placed: Placed[]): Promise<RunningAgent> =>
  startAgentHere(t, placed);

function assertFunctionError(answer: Answer, kind: string, type: string, message: RegExp): void {
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers["meridian-function-error"], kind);
  assert.equal(answer.isExecuted, true);
  assert.equal(answer.json()["errorType"], type);
  assert.match(String(answer.json()["errorMessage"]), message);
}

for (const [runtime, placed, options] of [
  ["node", node("echo", { memoryMegabytes: 256 }), {}],
  ["python", python("echo", { memoryMegabytes: 256 }), pythonOnly],
] as const)
  test(
    `${runtime}: the first call starts an instance, the next ones find it`,
    options,
    async (t) => {
      const agent = await startWith(t, placed);
      const first = await agent.invoke("echo", { json: { name: "Ada" }, requestId: "r-7" });
      assert.equal(first.status, 200, first.text);
      assert.equal(first.headers["content-type"], "application/json");
      const { pid, remainingMs, ...said } = first.json();
      assert.deepEqual(said, {
        event: { name: "Ada" },
        requestId: "r-7",
        function: "echo@1",
        memory: "256",
      });
      assert.ok(Number(remainingMs) > 2_000 && Number(remainingMs) <= 3_000, String(remainingMs));
      assert.equal(first.headers["meridian-cold-start"], "true");
      assert.match(
        String(first.headers["meridian-cold-start-phases"]),
        /^queue;dur=[\d.]+, schedule;dur=[\d.]+, code;dur=[\d.]+, sandbox;dur=[\d.]+, init;dur=[\d.]+$/,
      );
      assert.equal(first.headers["meridian-zone"], "eu-west");
      assert.equal(first.headers["meridian-cluster"], "eu-west-1");
      assert.equal(first.headers["meridian-version"], "1");
      assert.equal(first.headers["x-request-id"], "r-7");
      const second = await agent.invoke("echo", { json: {} });
      assert.equal(second.json()["pid"], pid);
      assert.equal(second.headers["meridian-cold-start"], "false");
      assert.ok(agent.pids().includes(Number(pid)));
    },
  );

for (const [runtime, make, options] of [
  ["node", node, {}],
  ["python", python, pythonOnly],
] as const) {
  test(`${runtime}: a string is answered as it is, nothing as null`, options, async (t) => {
    const agent = await startWith(
      t,
      make("text", { contentType: "text/markdown" }),
      make("nothing"),
    );
    const text = await agent.invoke("text");
    assert.equal(text.headers["content-type"], "text/markdown");
    assert.equal(text.text, "plain words");
    assert.equal((await agent.invoke("nothing")).text, "null");
  });

  test(
    `${runtime}: a handler that exits is told with its status, the next call is served`,
    options,
    async (t) => {
      const agent = await startWith(t, make("exits"));
      for (const requestId of ["r-1", "r-2"])
        assertFunctionError(
          await agent.invoke("exits", { requestId }),
          "Unhandled",
          "Runtime.ExitError",
          new RegExp(`^RequestId: ${requestId} Error: Runtime exited with error: exit status 7$`),
        );
    },
  );

  for (const stuck of ["never", "spins"])
    test(`${runtime}: a handler that ${stuck} is ended at its time limit`, options, async (t) => {
      const agent = await startWith(t, make(stuck, { timeoutMs: 300 }), make("text"));
      const [answer, neighbour] = await Promise.all([
        agent.invoke(stuck, { requestId: "r-1" }),
        agent.invoke("text"),
      ]);
      assertFunctionError(
        answer,
        "Unhandled",
        "Sandbox.Timedout",
        /^RequestId: r-1 Error: Task timed out after 0.30 seconds$/,
      );
      assert.equal(neighbour.text, "plain words");
      await eventually(async () => {
        const alive = await Promise.all(agent.pids().slice(1).map(isAlive));
        return alive.filter(Boolean).length === 1;
      });
    });

  test(`${runtime}: what a call prints is found under its request id`, options, async (t) => {
    const agent = await startWith(t, make("prints"));
    await agent.invoke("prints", { requestId: "r-1", json: {} });
    await agent.invoke("prints", { requestId: "r-2", json: {} });
    const path = "/internal/logs?tenant=demo&function=prints&requestId=r-2";
    const { items } = (await agent.get(path)).json() as { items: Record<string, unknown>[] };
    assert.deepEqual(items.map(({ text }) => String(text)).slice(0, 2), [
      "one line",
      "and one to stderr",
    ]);
    for (const item of items) {
      assert.equal(item["requestId"], "r-2");
      assert.equal(item["zone"], "eu-west");
    }
    const neighbour = await agent.get("/internal/logs?tenant=other&function=prints");
    assert.deepEqual(neighbour.json()["items"], []);
  });

  test(`${runtime}: an answer over six mebibytes is the function's error`, options, async (t) => {
    const agent = await startWith(t, make("huge"));
    const fits = await agent.invoke("huge", { json: { bytes: 6 * 1024 * 1024 - 2 } });
    assert.equal(fits.text.length, 6 * 1024 * 1024 - 2);
    assertFunctionError(
      await agent.invoke("huge", { json: { bytes: 6 * 1024 * 1024 } }),
      "Handled",
      "Function.ResponseSizeTooLarge",
      /exceeded maximum allowed payload size/,
    );
  });

  test(
    `${runtime}: an instance sees a clean environment and its own folder`,
    options,
    async (t) => {
      process.env["MERIDIAN_SECRET"] = "not for functions";
      t.after(() => delete process.env["MERIDIAN_SECRET"]);
      const agent = await startWith(t, make("environment", { environment: { COLOUR: "blue" } }));
      const seen = (await agent.invoke("environment")).json();
      assert.equal(seen["COLOUR"], "blue");
      assert.equal(seen["AWS_LAMBDA_FUNCTION_NAME"], "environment");
      assert.equal(seen["AWS_LAMBDA_FUNCTION_VERSION"], "1");
      assert.equal(seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "128");
      assert.match(String(seen["cwd"]), /sha256-[0-9a-f]{64}\.[0-9a-f]{12}$/);
      assert.deepEqual(
        Object.keys(seen).filter((name) => name.startsWith("MERIDIAN_")),
        ["MERIDIAN_INSTANCE"],
      );
    },
  );
}

test("a handler that throws is told with the error, and its instance lives on", async (t) => {
  const agent = await startWith(t, node("throws"), node("throwsText"), node("circular"));
  const answer = await agent.invoke("throws");
  assertFunctionError(answer, "Handled", "RangeError", /^too far$/);
  assert.match(String(answer.json()["trace"]), /node\.mjs/);
  assert.equal((await agent.invoke("throws")).headers["meridian-cold-start"], "false");
  assertFunctionError(await agent.invoke("throwsText"), "Handled", "string", /^just words$/);
  assertFunctionError(
    await agent.invoke("circular"),
    "Handled",
    "Runtime.MarshalError",
    /circular/,
  );
  const logs = await agent.get("/internal/logs?tenant=demo&function=throws&limit=1000");
  assert.match(logs.text, /ERROR RangeError: too far/);
});

test("python: a coroutine that raises is told with the error", pythonOnly, async (t) => {
  const agent = await startWith(t, python("throws"), python("marshal"));
  assertFunctionError(await agent.invoke("throws"), "Handled", "ValueError", /^too far$/);
  assertFunctionError(
    await agent.invoke("marshal"),
    "Handled",
    "Runtime.MarshalError",
    /serializable/,
  );
});

test("errors that nobody catches end the call and the instance, not the next call", async (t) => {
  const agent = await startWith(t, node("crashesLater"), node("rejectsUnhandled"));
  for (let round = 0; round < 2; round += 1) {
    assertFunctionError(
      await agent.invoke("crashesLater"),
      "Unhandled",
      "TypeError",
      /^nobody catches this$/,
    );
    assertFunctionError(
      await agent.invoke("rejectsUnhandled"),
      "Unhandled",
      "Error",
      /^nobody awaits this$/,
    );
  }
});

test("CommonJS, nested files and callbacks are handlers too", async (t) => {
  const agent = await startWith(
    t,
    node("common", { handler: "common.handler" }),
    node("nested", { handler: "deep/nested.handler" }),
    node("withCallback"),
  );
  assert.deepEqual((await agent.invoke("common", { json: 1 })).json(), {
    way: "commonjs",
    event: 1,
  });
  assert.deepEqual((await agent.invoke("nested")).json(), { way: "nested" });
  assert.equal((await agent.invoke("withCallback")).json()["way"], "callback");
});

test("a function that does not load answers with why, and at once when it keeps failing", async (t) => {
  const agent = await startWith(
    t,
    node("broken", { handler: "broken.handler" }),
    node("quits", { handler: "quits.handler" }),
    node("lacking", { handler: "node.notThere" }),
    node("outside", { handler: "../../../etc/passwd.handler" }),
  );
  const cases = [
    ["broken", "Runtime.ImportModuleError", /a-package-that-is-not-there/],
    ["quits", "Runtime.ExitError", /exit status 3 during init; it wrote: I will not start/],
    ["lacking", "Runtime.HandlerNotFound", /node\.notThere is undefined or not exported/],
    ["outside", "Runtime.ImportModuleError", /outside of the code/],
  ] as const;
  for (const [name, type, message] of cases)
    assertFunctionError(await agent.invoke(name), "Unhandled", type, message);
  for (let failure = 1; failure < 5; failure += 1) await agent.invoke("broken");
  const pidsBefore = agent.pids().length;
  assertFunctionError(
    await agent.invoke("broken"),
    "Unhandled",
    "Runtime.ImportModuleError",
    /a-package-that-is-not-there/,
  );
  // Those of before may be on their way out still.
  assert.ok(agent.pids().length <= pidsBefore, "an instance was started");
});

test("a function that takes too much memory is told so, on the heap and beside it", async (t) => {
  const agent = await startWith(
    t,
    node("fillsHeap", { memoryMegabytes: 64, timeoutMs: 20_000 }),
    node("fillsBuffers", { memoryMegabytes: 64, timeoutMs: 20_000 }),
    node("text"),
  );
  const [heap, buffers, neighbour] = await Promise.all([
    agent.invoke("fillsHeap"),
    agent.invoke("fillsBuffers"),
    agent.invoke("text"),
  ]);
  assertFunctionError(heap, "Unhandled", "Runtime.OutOfMemory", /out of memory/);
  assertFunctionError(buffers, "Unhandled", "Runtime.OutOfMemory", /out of memory/);
  assert.equal(neighbour.text, "plain words");
});

test("a function that prints much answers, and its log stays bounded", async (t) => {
  const agent = await startWith(t, node("prints", { timeoutMs: 20_000 }));
  const answer = await agent.invoke("prints", { json: { lines: 100_000 } });
  assert.equal(answer.text, "printed");
  const logs = await agent.get("/internal/logs?tenant=demo&function=prints&limit=10000");
  const { items } = logs.json() as { items: { text: string }[] };
  assert.ok(items.some(({ text }) => /bytes of output were dropped/.test(text)));
});

test("the HTTP door gives and takes what function URLs do", async (t) => {
  const agent = await startWith(t, node("url"), node("url64"), node("echo"), node("throws"));
  const http = { method: "PUT", path: "/a/b", rawQuery: "x=1&x=2&y=%20" };
  const url = await agent.invoke("url", { http });
  assert.equal(url.status, 201);
  assert.equal(url.headers["x-shape"], "2.0");
  assert.equal(url.headers["content-type"], "text/html");
  assert.deepEqual(url.headers["set-cookie"], ["a=1; Path=/", "b=2"]);
  assert.equal(url.text, "<p>PUT /a/b?x=1&x=2&y=%20</p>");
  assert.equal((await agent.invoke("url64", { http })).headers["content-length"], "3");

  const echo = (await agent.invoke("echo", { http, json: { a: 1 } })).json() as {
    event: Record<string, Record<string, unknown>>;
  };
  assert.deepEqual(echo.event["queryStringParameters"], { x: "1,2", y: " " });
  assert.deepEqual(echo.event["cookies"], ["c=3"]);
  assert.equal(echo.event["requestContext"]?.["domainPrefix"], "demo");
});

test("the HTTP door tells strangers nothing of a failure, and a hostile answer breaks nothing", async (t) => {
  const agent = await startWith(t, node("throws"), node("hostile"), node("forges"));
  const http = { method: "GET", path: "/", rawQuery: "" };
  for (const name of ["throws", "hostile"]) {
    const answer = await agent.invoke(name, { http });
    assert.equal(answer.status, 502);
    assert.equal(answer.headers["content-type"], "application/problem+json");
    assert.equal(answer.headers["meridian-error-code"], "MERIDIAN_FUNCTION_FAILED");
    assert.equal(answer.isExecuted, true);
    assert.doesNotMatch(answer.text, /too far|node\.mjs/);
  }
  const forged = await agent.invoke("forges", { http });
  assert.equal(forged.text, "ok");
  assert.equal(forged.isExecuted, true);
});

test("bad calls are refused before anything runs", async (t) => {
  const agent = await startWith(
    t,
    node("echo"),
    node("elsewhere", {
      handler: "node.echo",
      placement: { regions: ["us"], tier: "normal", clustersMin: 1 },
    }),
  );
  const json = { "content-type": "application/json" };
  const cases = [
    [await agent.invoke("nobody"), 404, "MERIDIAN_FUNCTION_NOT_FOUND"],
    [await agent.invoke("echo", { version: 9 }), 404, "MERIDIAN_FUNCTION_NOT_FOUND"],
    [await agent.invoke("echo", { body: "{", headers: json }), 400, "MERIDIAN_BODY_INVALID_JSON"],
    [
      await agent.invoke("echo", { body: Buffer.alloc(6 * 1024 * 1024 + 1) }),
      413,
      "MERIDIAN_BODY_TOO_LARGE",
    ],
    [await agent.invoke("elsewhere"), 503, "MERIDIAN_RESIDENCY_UNAVAILABLE"],
    [
      await agent.invoke("echo", { headers: { "meridian-deadline-ms": "soon" } }),
      400,
      "MERIDIAN_BAD_REQUEST",
    ],
    [
      await agent.invoke("echo", { headers: { "meridian-boot-token": "wrong" } }),
      401,
      "MERIDIAN_UNAUTHENTICATED",
    ],
    [await agent.get("/ping", "wrong"), 401, "MERIDIAN_UNAUTHENTICATED"],
    [await agent.get("/nothing"), 404, "MERIDIAN_NOT_FOUND"],
  ] as const;
  for (const [answer, status, code] of cases) {
    assert.equal(answer.json()["code"], code, answer.text);
    assert.equal(answer.status, status);
    assert.equal(answer.headers["meridian-error-code"], code);
    assert.equal(answer.isExecuted, false);
  }
  const unannounced = await agent.invoke("echo", { body: Readable.from(mebibytes(8)) });
  assert.equal(unannounced.json()["code"], "MERIDIAN_BODY_TOO_LARGE");
  assert.equal((await agent.get("/ping")).status, 204);
  assert.ok(agent.pids().length <= 1, "nothing but the launcher runs");
});

function* mebibytes(count: number): Generator<Buffer> {
  for (let index = 0; index < count; index += 1) yield Buffer.alloc(1024 * 1024);
}
