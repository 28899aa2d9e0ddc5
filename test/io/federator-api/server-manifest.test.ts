import assert from "node:assert/strict";
import { test } from "node:test";
import { Value } from "typebox/value";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { MeridianError } from "#lib/errors.ts";
import { checkManifest } from "../../../federator/io/functions/check-deploy.ts";

const check = (more: object): void =>
  checkManifest(
    Value.Parse(
      FunctionManifest,
      Value.Default(FunctionManifest, { name: "chat", interface: "http", ...more }),
    ),
    "chat",
  );

for (const more of [
  { handler: "server.mjs" },
  { handler: "src/server.js", fallback: { version: 1 } },
  { handler: "app.py", runtime: "python" },
  { handler: "server", runtime: "provided" },
])
  test(`a server may be ${JSON.stringify(more)}`, () => check(more));

const refused = [
  { more: {}, says: /node runs no index\.handler; name one such as server\.mjs/ },
  { more: { handler: "app.py" }, says: /node runs no app\.py/ },
  { more: { handler: "app.mjs", runtime: "python" }, says: /name one such as server\.py/ },
  {
    more: { handler: "a.js", hedge: true, idempotent: true },
    says: /no stream is asked for twice/,
  },
  { more: { handler: "a.js", environment: { PORT: "80" } }, says: /another one for each instance/ },
];
for (const { more, says } of refused)
  test(`a server that is ${JSON.stringify(more)} is refused`, () =>
    assert.throws(
      () => check(more),
      (error) =>
        error instanceof MeridianError &&
        error.code === "MERIDIAN_MANIFEST_INVALID" &&
        says.test(error.message),
    ));
