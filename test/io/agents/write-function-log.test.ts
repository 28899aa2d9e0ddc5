import assert from "node:assert/strict";
import { test } from "node:test";
import { functionLogWriter } from "../../../agents/io/write-function-log.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { RouteVersion } from "#lib/contracts/route-table.ts";

const version: RouteVersion = {
  version: 1,
  codeDigest: `sha256:${"0".repeat(64)}`,
  codeBytes: 1,
  manifest: {
    name: "hello",
    runtime: "python",
    handler: "index.handler",
    memoryMegabytes: 128,
    timeoutMs: 3_000,
    concurrency: 1,
    idempotent: false,
    environment: {},
    placement: { regions: [], tier: "normal", clustersMin: 1 },
    httpAuth: "key",
    contentType: "text/plain",
  },
};

test("a failure keeps every line of its trace, those that quote the message included, and says its headline once", () => {
  const written: string[] = [];
  const logs = {
    write: ({ text }: { readonly text: string }) => void written.push(text),
    read: () => Promise.resolve([]),
    close: () => Promise.resolve(),
  };
  const { failure } = functionLogWriter(logs, "eu-west", systemClock);
  failure({ tenant: "demo", functionName: "hello", version }, "r1", {
    errorType: "ValueError",
    errorMessage: "boom",
    stackTrace: [
      "Traceback (most recent call last):",
      '  File "index.py", line 5, in handler',
      '    raise ValueError("boom")',
      "ValueError: boom",
    ],
  });
  assert.deepEqual(written, [
    [
      "ERROR ValueError: boom",
      "Traceback (most recent call last):",
      '  File "index.py", line 5, in handler',
      '    raise ValueError("boom")',
    ].join("\n"),
  ]);
});
