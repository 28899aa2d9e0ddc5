import assert from "node:assert/strict";
import { chmod, cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { eventually } from "../support/agent-world.ts";
import { callClient, resultOf, startClient } from "./start-client.ts";

/*
 * AWS's client for Node. It compiles curl and a C++ library when it is installed, which takes minutes: so it is installed once, by hand or
 * by a job with a cache, and skipped where it is not. Its function is functions/ric-node/app.mjs.
 */

const PINNED = "4.0.2";
const FOLDER = resolve(import.meta.dirname, "../../../../.engines/ric-node");
const CLIENT = join(FOLDER, "node_modules/aws-lambda-ric");

const code = await mkdtemp(join(tmpdir(), "ric-node-"));
after(() => rm(code, { recursive: true, force: true }));
const missing = await install(code);
const options = missing === undefined ? {} : { skip: missing };

async function install(folder: string): Promise<string | undefined> {
  const described = await readFile(join(CLIENT, "package.json"), "utf8").catch(() => "{}");
  if (JSON.parse(described).version !== PINNED)
    return `aws-lambda-ric ${PINNED} is not there: \`npm install --prefix .engines/ric-node aws-lambda-ric@${PINNED}\`, with cmake and g++`;
  await chmod(folder, 0o755);
  await cp(join(import.meta.dirname, "functions/ric-node"), folder, { recursive: true });
  await symlink(join(FOLDER, "node_modules"), join(folder, "node_modules"));
  const script = '#!/bin/sh\nexec node node_modules/aws-lambda-ric/index.mjs "$_HANDLER"\n';
  await writeFile(join(folder, "bootstrap"), script, { mode: 0o755 });
  return undefined;
}

test("its context says what a call of Meridian is", options, async (t) => {
  const started = await startClient(t, code, "app.greet");
  const end = await callClient(started, "r-1", { name: "Ännchen" });
  const { remainingMs, pid, ...said } = resultOf(end);
  assert.deepEqual(said, {
    text: "Hello Ännchen",
    requestId: "r-1",
    arn: "arn:meridian:lambda::demo:function:greet:4",
    function: "greet@4",
    memory: "256",
    logs: `/meridian/demo/greet ${started.instance.id}`,
  });
  assert.ok(Number(remainingMs) > 0 && Number(remainingMs) <= 5_000, String(remainingMs));
  assert.equal(resultOf(await callClient(started, "r-2", { name: "" }))["pid"], pid);
});

for (const [handler, type] of [
  ["app.fails", "NobodyError"],
  ["app.cannotBeJson", "Runtime.JSONStringifyError"],
] as const)
  test(`what ${handler} throws is told, and its instance lives on`, options, async (t) => {
    const started = await startClient(t, code, handler);
    for (const requestId of ["r-1", "r-2"]) {
      const end = await callClient(started, requestId, {});
      assert.equal(end.kind, "error", JSON.stringify(end));
      assert.equal(end.error.errorType, type);
      assert.equal(end.error.isCrash, undefined);
    }
  });

test("what its handler prints belongs to the call", options, async (t) => {
  const started = await startClient(t, code, "app.prints");
  await callClient(started, "r-1", {});
  const printed = (): string => started.lines.map((line) => line.text).join("");
  await eventually(() => printed().includes("a line"));
  assert.match(printed(), /\tr-1\tINFO\ta line\n$/);
  assert.ok(started.lines.every(({ requestId }) => requestId === "r-1"));
});

test("what its handler streams comes as it is made", options, async (t) => {
  const started = await startClient(t, code, "app.streams");
  const end = await callClient(started, "r-1", { words: ["one,", "two"] });
  assert.equal(end.kind, "stream", JSON.stringify(end));
  assert.equal(await text(end.answer.body), "one,two");
  assert.deepEqual(await end.answer.over, { kind: "whole" });
});

test("a handler that is not there fails its start", options, async (t) => {
  const { instance } = await startClient(t, code, "app.nothing");
  const outcome = await instance.started;
  assert.equal(outcome.kind, "init-failed", JSON.stringify(outcome));
  assert.equal(outcome.error.errorType, "Runtime.HandlerNotFound");
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
