import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { test } from "node:test";
import type { FederationStatus } from "#lib/contracts/api-status.ts";
import { meridian, preparedApi } from "./command-line.ts";

const EXAMPLES = resolve(import.meta.dirname, "../../golden/contracts");
const KEYS = "/v1/tenants/demo/keys";
const enforced = { ready: ["eu-west.gateway", "eu-west.agent"], waiting: ["us-east.gateway"] };
const IN_FORCE =
  "in force at 2 of 3 gateways and agents; not yet, or not reachable: us-east.gateway";
const alias = { tenant: "demo", functionName: "hello", alias: "beta", version: 2, updatedAtMs: 1 };

const commands = [
  {
    argv: ["key", "revoke", "9f86d081884c7d65"],
    answers: { [`DELETE ${KEYS}/9f86d081884c7d65`]: { json: enforced } },
    printed: `9f86d081884c7d65 is revoked: ${IN_FORCE}\n`,
  },
  {
    argv: ["tenant", "suspend", "demo"],
    answers: {
      "POST /v1/tenants/demo:suspend": { json: { tenant: "demo", isSuspended: true, enforced } },
    },
    printed: `demo is suspended: ${IN_FORCE}\n`,
  },
  {
    argv: ["tenant", "resume", "demo"],
    answers: {
      "POST /v1/tenants/demo:resume": { json: { tenant: "demo", isSuspended: false, enforced } },
    },
    printed: `demo is active: ${IN_FORCE}\n`,
  },
  {
    argv: ["alias", "set", "hello", "beta", "--to", "2"],
    answers: {
      "PUT /v1/tenants/demo/functions/hello/aliases/beta": {
        json: alias,
        headers: { "meridian-waiting": "us-east.gateway, us-east.agent" },
      },
    },
    printed:
      "hello: beta is version 2; not yet, or not reachable: us-east.gateway, us-east.agent\n",
  },
];
for (const { argv, answers, printed } of commands)
  test(`${argv.slice(0, 2).join(" ")} names those at which it is not in force`, async (context) => {
    const api = await preparedApi(context, answers);
    const { exitCode, stdout, stderr } = await meridian([...argv, "--state", api.state]);
    assert.equal(exitCode, 0, stderr);
    assert.equal(stdout, printed);
  });

test("status tells of a table that is held back, and of who turned it down and why", async (context) => {
  const examples = JSON.parse(await readFile(join(EXAMPLES, "api-status.json"), "utf8"));
  const status: FederationStatus = examples.FederationStatus;
  const [zone] = status.zones;
  assert.ok(zone !== undefined);
  const receiver = "eu-west.gateway";
  const reason = "the digest differs";
  const refusing = {
    ...zone,
    receivers: [{ receiver, position: zone.position, refused: reason }],
    wave: { revision: 812, state: "refused", receiver, reason },
  };
  const api = await preparedApi(context, {
    "GET /v1/status": { json: { ...status, zones: [refusing] } },
  });
  const { exitCode, stdout, stderr } = await meridian(["status", "--state", api.state]);
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout, /0 of 1 current, refused by eu-west\.gateway/);
  assert.ok(
    stdout.includes(
      "eu-west holds back the table of revision 812: refused by eu-west.gateway (the digest differs)",
    ),
    stdout,
  );
});
