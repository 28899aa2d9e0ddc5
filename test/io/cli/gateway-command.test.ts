import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { GatewayState } from "#lib/contracts/gateway-state.ts";
import { REPOSITORY } from "../../support/source-files.ts";
import { meridian, preparedApi } from "./command-line.ts";

const STATE = "GET /v1/gateways/eu-west/state";
const examples = join(REPOSITORY, "test/golden/contracts/gateway-state.json");
const { GatewayState: state } = Value.Parse(
  Type.Object({ GatewayState }),
  JSON.parse(readFileSync(examples, "utf8")),
);

test("gateway state prints clusters, retries and refusals", async (context) => {
  const api = await preparedApi(context, { [STATE]: { json: state } });
  const { exitCode, stdout, stderr } = await meridian([
    "gateway",
    "state",
    "eu-west",
    "--state",
    api.state,
  ]);
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout, /^gateway of eu-west: ready, up for 1 min$/m);
  assert.match(stdout, /^retries of the last 10 s: 3 of 48 spent, 240 requests$/m);
  assert.match(stdout, /^calls: success 1200, limited 3$/m);
  assert.match(stdout, /^eu-west-1 .* avoid, 3 missed +- +open +connecting +0 of 4096$/m);
});

test("gateway state --json prints the document", async (context) => {
  const api = await preparedApi(context, { [STATE]: { json: state } });
  const { stdout } = await meridian([
    "gateway",
    "state",
    "eu-west",
    "--json",
    "--state",
    api.state,
  ]);
  assert.deepEqual(JSON.parse(stdout), state);
});
