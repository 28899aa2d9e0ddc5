import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { LogPage } from "#lib/contracts/api.ts";
import { Value } from "typebox/value";
import { zipFiles } from "../../cli/bundle/zip-files.ts";
import { buildGreeter } from "./support/build-greeter.ts";
import { type Answer, type Federation, startFederation, until } from "./support/federation.ts";

const folder = await mkdtemp(join(tmpdir(), "greeter-"));
const program = join(folder, "bootstrap");
const build = await buildGreeter(program);
const options = build.kind === "built" ? {} : { skip: build.reason };

let federation: Federation;
before(async () => {
  if (build.kind === "built") federation = await startFederation();
});
after(async () => {
  if (build.kind === "built") await federation.stop();
  await rm(folder, { recursive: true, force: true });
});

const deploy = async (source: string, ...flags: string[]): Promise<void> => {
  const deployed = await federation.cli("deploy", source, "--runtime", "provided", ...flags);
  assert.equal(deployed.exitCode, 0, deployed.stderr);
};

const invoke = (functionName: string, event: object, requestId?: string): Promise<Answer> =>
  federation.request(`/v1/tenants/demo/functions/${functionName}:invoke`, {
    // Calls of one zone find the instances of the ones before.
    zone: "eu-west",
    method: "POST",
    body: JSON.stringify(event),
    headers: {
      "content-type": "application/json",
      ...(requestId === undefined ? {} : { "x-request-id": requestId }),
    },
  });

function assertFunctionError(answer: Answer, kind: string, type: string, message: RegExp): void {
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers.get("meridian-function-error"), kind, answer.text);
  const { errorType, errorMessage } = JSON.parse(answer.text);
  assert.equal(errorType, type);
  assert.match(errorMessage, message);
}

test(
  "a function in Go answers through both doors, with what AWS's client tells it of the call",
  options,
  async () => {
    await deploy(folder, "--name", "greeter", "--memory", "256");
    const first = await invoke("greeter", { name: "Ann" }, "r-go-1");
    assert.equal(first.status, 200, first.text);
    assert.equal(first.headers.get("meridian-cold-start"), "true");
    assert.match(first.headers.get("meridian-cold-start-phases") ?? "", /init;dur=[\d.]+$/);
    const { pid, remainingMs, ...said } = JSON.parse(first.text);
    assert.deepEqual(said, {
      text: "Hello Ann",
      requestId: "r-go-1",
      arn: "arn:meridian:lambda::demo:function:greeter:1",
      function: "greeter@1",
      memory: 256,
    });
    assert.ok(remainingMs > 1_000 && remainingMs <= 3_000, String(remainingMs));
    const second = await invoke("greeter", { name: "Bo" });
    assert.equal(JSON.parse(second.text).pid, pid);
    assert.equal(second.headers.get("meridian-cold-start"), "false");

    const url = await federation.request("/fn/demo/greeter/any/path", {
      method: "POST",
      body: "{}",
    });
    assert.equal(url.status, 200, url.text);
    assert.equal(JSON.parse(url.text).text, "Hello ");
  },
);

test(
  "its errors are answered, and its panic, its end and its sleep harm only their call",
  options,
  async () => {
    await deploy(folder, "--name", "unsteady", "--timeout-ms", "2000");
    const { pid } = JSON.parse((await invoke("unsteady", { name: "Ann" })).text);
    const failed = await invoke("unsteady", { do: "fail" });
    assertFunctionError(failed, "Handled", "noNameError", /^nobody to greet$/);
    assert.equal(JSON.parse((await invoke("unsteady", {})).text).pid, pid);

    const panicked = await invoke("unsteady", { do: "panic" });
    assertFunctionError(panicked, "Unhandled", "string", /^out of words$/);
    assert.match(String(JSON.parse(panicked.text).stackTrace), /greet \(.*main\.go:\d+\)/);
    assert.notEqual(JSON.parse((await invoke("unsteady", {})).text).pid, pid);

    const exited = await invoke("unsteady", { do: "exit" }, "r-exit");
    const exit = /^RequestId: r-exit Error: Runtime exited with error: exit status 7$/;
    assertFunctionError(exited, "Unhandled", "Runtime.ExitError", exit);
    const late = await invoke("unsteady", { do: "sleep" });
    assertFunctionError(late, "Unhandled", "Sandbox.Timedout", /timed out after 2\.00 seconds$/);
    assert.equal((await invoke("unsteady", {})).status, 200);
  },
);

test("what it prints is in its log, under the request id of the call", options, async () => {
  await deploy(folder, "--name", "printer");
  await invoke("printer", { do: "print", name: "one" }, "r-print-1");
  await invoke("printer", { do: "print", name: "two" }, "r-print-2");
  const path = "/v1/tenants/demo/functions/printer/logs?requestId=r-print-2";
  const texts = await until("the line is in the log", 20_000, async () => {
    const { items } = Value.Parse(LogPage, JSON.parse((await federation.request(path)).text));
    return items.length > 0 ? items.map(({ text }) => text) : undefined;
  });
  assert.deepEqual(texts, ["a line of two"]);
});

test("an archive keeps the program executable", options, async () => {
  const archive = join(folder, "zipped.zip");
  await writeFile(
    archive,
    await zipFiles([{ path: "bootstrap", bytes: await readFile(program), isExecutable: true }]),
  );
  await deploy(archive, "--name", "zipped");
  assert.equal(JSON.parse((await invoke("zipped", { name: "Zip" })).text).text, "Hello Zip");
});

test("a program for other machines fails its start and says so", options, async () => {
  const other = join(folder, "other");
  await mkdir(other);
  const head = Buffer.alloc(256);
  head.write("\x7fELF\x02\x01\x01", "latin1");
  head.writeUInt16LE(process.arch === "arm64" ? 0x3e : 0xb7, 18);
  await writeFile(join(other, "bootstrap"), head, { mode: 0o755 });
  await deploy(other, "--name", "elsewhere");
  const answer = await invoke("elsewhere", {});
  assertFunctionError(
    answer,
    "Unhandled",
    "Runtime.InitError",
    /^bootstrap is a program for (arm64|x64), and this cluster's machines are (x64|arm64)$/,
  );
});
