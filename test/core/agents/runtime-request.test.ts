import assert from "node:assert/strict";
import { test } from "node:test";
import {
  invocationHeaders,
  nameCall,
  readRuntimeRequest,
} from "../../../agents/core/runtime-request.ts";

const ROOT = "/2018-06-01/runtime";

const requests = [
  ["GET", `${ROOT}/invocation/next`, { kind: "next" }],
  ["GET", `${ROOT}/invocation/next?x=1`, { kind: "next" }],
  ["POST", `${ROOT}/invocation/r-1/response`, { kind: "response", callName: "r-1" }],
  ["POST", `${ROOT}/invocation/r-1/error`, { kind: "error", callName: "r-1" }],
  ["POST", `${ROOT}/init/error`, { kind: "init-error" }],
  ["POST", `${ROOT}/invocation/next`, { kind: "unknown" }],
  ["GET", `${ROOT}/invocation/r-1/response`, { kind: "unknown" }],
  ["GET", `${ROOT}/init/error`, { kind: "unknown" }],
  ["POST", `${ROOT}/invocation//response`, { kind: "unknown" }],
  ["POST", `${ROOT}/invocation/a/b/response`, { kind: "unknown" }],
  ["POST", `${ROOT}/invocation/r-1/answer`, { kind: "unknown" }],
  ["GET", "/2020-01-01/extension/register", { kind: "unknown" }],
  ["GET", "/", { kind: "unknown" }],
  ["", "", { kind: "unknown" }],
] as const;

for (const [method, url, expected] of requests)
  test(`${method} ${url} is ${expected.kind}`, () => {
    assert.deepEqual(readRuntimeRequest(method, url), expected);
  });

const names = [
  ["its request id", "r-1", [], "r-1"],
  ["another where one of that id runs", "r-1", ["r-1"], "r-1.7"],
  ["the one after that where a caller took it", "r-1", ["r-1", "r-1.7"], "r-1.8"],
  ["one of ours where the id would change the path", "a/../b", [], "call.7"],
  ["one of ours where the id is a word of the API", "next", [], "call.7"],
] as const;

for (const [sentence, requestId, taken, expected] of names)
  test(`a call's name is ${sentence}`, () => {
    const isTaken = (name: string): boolean => taken.some((one) => one === name);
    assert.equal(nameCall(requestId, isTaken, 7), expected);
  });

test("a call is handed out with the headers that AWS's clients read", () => {
  const header = {
    requestId: "r-1",
    deadlineMs: 3_000,
    tenant: "demo",
    functionName: "greet",
    functionVersion: "4",
    memoryMegabytes: 128,
  };
  const expected = {
    "content-type": "application/json",
    "lambda-runtime-aws-request-id": "r-1",
    "lambda-runtime-deadline-ms": "1795280516225",
    "lambda-runtime-invoked-function-arn": "arn:meridian:lambda::demo:function:greet:4",
  };
  assert.deepEqual(invocationHeaders("r-1", header, 1_795_280_516_225.7), expected);
  assert.deepEqual(
    invocationHeaders("r-1", { ...header, xrayTraceId: "Root=1-2-3" }, 1_795_280_516_225),
    { ...expected, "lambda-runtime-trace-id": "Root=1-2-3" },
  );
});
