import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { eventually } from "../support/agent-world.ts";
import { callClient, resultOf, startClient } from "./start-client.ts";

/* AWS's client for Python. Its function is ric-python/app.py. */

const SOURCE = join(import.meta.dirname, "ric-python");
const PIP = "python3 -m pip install --quiet --disable-pip-version-check --target";
const run = promisify(execFile);

const code = await mkdtemp(join(tmpdir(), "ric-"));
// Instances may have a user of their own, who reads it as they read what the agent unpacked.
await chmod(code, 0o755);
after(() => rm(code, { recursive: true, force: true }));
const missing = await install(code);
const options = missing === undefined ? {} : { skip: missing };

/** The client and the function in one folder, as one would deploy them; the reason where that cannot be done here. */
async function install(folder: string): Promise<string | undefined> {
  const requirements = join(SOURCE, "requirements.txt");
  try {
    const [python = "", ...words] = `${PIP} ${folder} --requirement ${requirements}`.split(" ");
    await run(python, words, { timeout: 240_000 });
  } catch (error) {
    return `awslambdaric could not be installed (${String(error).slice(0, 80)}): \`${PIP} FOLDER awslambdaric\` would`;
  }
  const { stdout } = await run("python3", ["-c", "import sys; print(sys.executable)"]);
  await cp(join(SOURCE, "app.py"), join(folder, "app.py"));
  const script = `#!/bin/sh\nexec ${stdout.trim()} -m awslambdaric "$_HANDLER"\n`;
  await writeFile(join(folder, "bootstrap"), script, { mode: 0o755 });
  return undefined;
}

test("its context says what a call of Meridian is", options, async (t) => {
  const started = await startClient(t, code, "app.greet");
  const { remainingMs, pid, ...said } = resultOf(
    await callClient(started, "r-1", { name: "Ännchen" }),
  );
  assert.deepEqual(said, {
    text: "Hello Ännchen",
    requestId: "r-1",
    arn: "arn:meridian:lambda::demo:function:greet:4",
    function: "greet@4",
    memory: "256",
    logs: `/meridian/demo/greet ${started.instance.id}`,
    identity: null,
    clientContext: null,
  });
  assert.ok(Number(remainingMs) > 0 && Number(remainingMs) <= 5_000, String(remainingMs));
  assert.equal(resultOf(await callClient(started, "r-2", { name: "" }))["pid"], pid);
});

test("what its handler raises is told, and its instance lives on", options, async (t) => {
  const started = await startClient(t, code, "app.fails");
  for (const requestId of ["r-1", "r-2"]) {
    const end = await callClient(started, requestId, {});
    assert.equal(end.kind, "error");
    const { errorType, errorMessage, isCrash, stackTrace } = end.error;
    assert.deepEqual([errorType, errorMessage], ["NobodyError", "nobody to greet"]);
    assert.equal(isCrash, undefined);
    assert.match(String(stackTrace), /app\.py/);
  }
});

test("what is no JSON, or too large, is its function's error", options, async (t) => {
  const set = await callClient(await startClient(t, code, "app.cannot_be_json"), "r-1", {});
  assert.equal(set.kind, "error");
  assert.equal(set.error.errorType, "Runtime.MarshalError");
  const huge = await callClient(await startClient(t, code, "app.huge"), "r-1", {});
  assert.equal(huge.kind, "error");
  assert.equal(huge.error.errorType, "Function.ResponseSizeTooLarge");
});

test("what its handler prints and logs belongs to the call", options, async (t) => {
  const started = await startClient(t, code, "app.prints");
  await callClient(started, "r-1", {});
  const text = (): string => started.lines.map((line) => line.text).join("");
  await eventually(() => text().includes("a record"));
  assert.match(text(), /^a line\n\[INFO\]\t.*\tr-1\ta record\n$/);
  assert.ok(started.lines.every(({ requestId }) => requestId === "r-1"));
});

for (const [handler, type] of [
  ["app.not_there", "Runtime.HandlerNotFound"],
  ["nothing.greet", "Runtime.ImportModuleError"],
] as const)
  test(`the handler ${handler} fails its start with ${type}`, options, async (t) => {
    const { instance } = await startClient(t, code, handler);
    const outcome = await instance.started;
    assert.equal(outcome.kind, "init-failed", JSON.stringify(outcome));
    assert.equal(outcome.error.errorType, type);
    await instance.ended;
  });

test("with concurrency it takes several calls at once", options, async (t) => {
  const started = await startClient(t, code, "app.greet", 3);
  const names = ["a", "b", "c", "d", "e", "f"];
  const ends = await Promise.all(names.map((name) => callClient(started, `r-${name}`, { name })));
  assert.deepEqual(
    ends.map((end) => resultOf(end)["requestId"]),
    names.map((name) => `r-${name}`),
  );
});
