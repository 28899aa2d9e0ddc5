import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { bundleFunction } from "../../../cli/bundle/bundle-function.ts";
import { meridian, preparedApi } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const INVOKE = "POST /v1/tenants/demo/functions/hello:invoke";

interface Sent {
  readonly argv: readonly string[];
  readonly type: string;
  readonly body: string;
}
const sent: readonly Sent[] = [
  { argv: [], type: "application/json", body: "{}" },
  { argv: ["--data", '{"a":1}'], type: "application/json", body: '{"a":1}' },
  { argv: ["--file", "event.json"], type: "application/json", body: "[1]" },
  { argv: ["--file", "text.md"], type: "text/plain; charset=utf-8", body: "# Hi" },
];
for (const { argv, type, body } of sent)
  test(`invoke hello ${argv.join(" ")} sends ${type}`, async (context) => {
    const api = await preparedApi(context, { [INVOKE]: { text: "answer" } });
    const cwd = await temporaryFolder(context, { "event.json": "[1]", "text.md": "# Hi" });
    const result = await meridian(["invoke", "hello", ...argv, "--state", api.state], { cwd });
    assert.equal(result.exitCode, 0, result.stderr);
    assert.equal(result.stdout, "answer");
    assert.equal(api.seen[0]?.headers["content-type"], type);
    assert.equal(api.seen[0]?.body, body);
  });

test("an invocation takes a key and a region along", async (context) => {
  const api = await preparedApi(context, { [INVOKE]: { text: "answer" } });
  const wishes = ["--idempotency-key", "order-17", "--region", "us-east"];
  const result = await meridian(["invoke", "hello", ...wishes, "--state", api.state]);
  assert.equal(result.exitCode, 0, result.stderr);
  const { headers } = api.seen[0] ?? assert.fail("it was called");
  assert.equal(headers["idempotency-key"], "order-17");
  assert.equal(headers["meridian-region"], "us-east");
});

test("an error of the function itself is printed and fails the command", async (context) => {
  const api = await preparedApi(context, {
    [INVOKE]: {
      headers: { "meridian-function-error": "Handled", "x-request-id": "r-2" },
      json: { errorType: "TypeError", errorMessage: "on purpose" },
    },
  });
  const { exitCode, stdout, stderr } = await meridian(["invoke", "hello", "--state", api.state]);
  assert.equal(exitCode, 1);
  assert.match(stdout, /"on purpose"/);
  assert.match(stderr, /the function itself failed \(Handled\), request r-2/);
});

test("--repeat prints a line for each call, also for those that fail", async (context) => {
  const api = await preparedApi(context, {
    [INVOKE]: {
      headers: {
        "meridian-zone": "eu-west",
        "meridian-cluster": "eu-west-1",
        "meridian-version": "3",
        "meridian-attempts": "2",
      },
      text: "hi",
    },
  });
  const argv = ["invoke", "hello", "--repeat", "3", "--every", "1", "--state", api.state];
  const good = await meridian(argv);
  assert.equal(good.exitCode, 0, good.stderr);
  const lines = good.stdout.trimEnd().split("\n");
  assert.equal(lines.length, 3);
  for (const line of lines)
    assert.match(line, /^200 {2}eu-west {2}eu-west-1 {2}version 3 {2}attempts 2 {2}\d+ ms$/);

  const refused = await preparedApi(context, {
    [INVOKE]: { status: 429, json: { code: "MERIDIAN_RATE_LIMITED", detail: "too fast" } },
  });
  const bad = await meridian([...argv.slice(0, -1), refused.state]);
  assert.equal(bad.exitCode, 1);
  assert.match(bad.stdout, /^429 {2}\d+ ms {2}MERIDIAN_RATE_LIMITED$/m);
});

/** What `deploy tiny` prints and sends, where the answer's version has the placement and headers. */
async function deployTiny(
  context: TestContext,
  argv: readonly string[],
  placement: object,
  headers: Record<string, string> = {},
) {
  const folder = await temporaryFolder(context, {
    "tiny/index.mjs": "export const handler = () => 1;",
  });
  const tiny = join(folder, "tiny");
  const { zip, digest, manifest } = await bundleFunction(
    tiny,
    { timeoutMs: 77 },
    { mayBundle: true },
  );
  const record = { tenant: "demo", functionName: "tiny", version: 4 };
  const made = { ...record, manifest: { ...manifest, placement } };
  const api = await preparedApi(context, {
    [`PUT /v1/tenants/demo/code/${digest}`]: {
      status: 201,
      json: { digest, bytes: zip.byteLength, files: 1, receipt: "r-1" },
    },
    "POST /v1/tenants/demo/functions/tiny/versions": {
      status: 201,
      headers,
      json: {
        version: { ...made, codeDigest: digest, codeBytes: 1, createdAtMs: 1 },
        alias: { ...record, alias: "live", updatedAtMs: 1 },
        codeZones: ["eu-west", "us-east"],
        revision: 9,
        gateways: { ready: ["eu-west.gateway"], waiting: ["us-east.gateway"] },
      },
    },
  });
  const line = ["deploy", tiny, "--timeout-ms", "77", ...argv, "--state", api.state];
  const result = await meridian(line);
  const sent: unknown = JSON.parse(api.seen[1]?.body ?? "{}");
  return { ...result, sent, asked: { codeDigest: digest, codeReceipt: "r-1", manifest } };
}
const DEPLOYED =
  "Deployed tiny version 4 (live): 1 of 2 gateways ready, not yet ready: us-east.gateway, code in eu-west, us-east\n";
const placed = (regions: readonly string[]) => ({ regions, tier: "normal", clustersMin: 1 });
const FROM_7 = { "meridian-placement-from": "7" };

test("deploy sends the code under its digest, then the manifest without a placement that nobody said", async (context) => {
  const { exitCode, stdout, stderr, sent, asked } = await deployTiny(context, [], placed([]));
  assert.equal(exitCode, 0, stderr);
  assert.equal(stdout, DEPLOYED);
  assert.deepEqual(sent, asked);
  assert.ok(!("placement" in asked.manifest));
});

test("deploy says that the version may run where the one before it might", async (context) => {
  const { stdout } = await deployTiny(context, [], placed(["eu"]), FROM_7);
  assert.equal(stdout, `${DEPLOYED}tiny may run in eu, as version 7\n`);
  const anywhere = await deployTiny(context, [], placed([]), FROM_7);
  assert.equal(anywhere.stdout, DEPLOYED);
});

test("deploy --anywhere and --region say where it may run, and not both", async (context) => {
  const wide = await deployTiny(context, ["--anywhere"], placed([]));
  assert.match(JSON.stringify(wide.sent), /"placement":\{"regions":\[\]\}/);
  const narrow = await deployTiny(context, ["--region", "eu"], placed(["eu"]));
  assert.match(JSON.stringify(narrow.sent), /"placement":\{"regions":\["eu"\]\}/);
  const both = await deployTiny(context, ["--region", "eu", "--anywhere"], placed([]));
  assert.equal(both.exitCode, 2);
  assert.match(both.stderr, /--region or --anywhere, not both/);
});

/** What `rollback hello` does where live is as told. */
async function rollBack(context: TestContext, live: object, ...more: readonly string[]) {
  const path = "/v1/tenants/demo/functions/hello";
  const alias = {
    tenant: "demo",
    functionName: "hello",
    alias: "live",
    version: 5,
    updatedAtMs: 1,
    ...live,
  };
  const api = await preparedApi(context, {
    [`GET ${path}/aliases/live`]: { headers: { etag: '"r7"' }, json: alias },
    [`GET ${path}/rollouts`]: { json: { items: [] } },
    [`PUT ${path}/aliases/live`]: { json: { ...alias, version: 3, additionalVersions: [] } },
  });
  const result = await meridian(["rollback", "hello", ...more, "--state", api.state]);
  return { ...result, put: api.seen.find(({ line }) => line.startsWith("PUT ")) };
}

test("rollback goes to what live was before, and only if nobody moved the alias in between", async (context) => {
  const { exitCode, stdout, stderr, put } = await rollBack(context, { formerVersion: 3 });
  assert.equal(exitCode, 0, stderr);
  assert.equal(stdout, "hello: live is version 3 (was 5)\n");
  assert.equal(put?.body, '{"version":3}');
  assert.equal(put?.headers["if-match"], '"r7"');
});

test("rollback --anywhere accepts that calls leave their regions", async (context) => {
  const { put } = await rollBack(context, { formerVersion: 3 }, "--anywhere");
  assert.equal(put?.body, '{"version":3,"acceptWiderPlacement":true}');
});

test("rollback of a divided alias ends the division", async (context) => {
  const additionalVersions = [{ version: 6, percent: 10 }];
  const { stdout, put } = await rollBack(context, { formerVersion: 3, additionalVersions });
  assert.match(stdout, /\(was 5 \(90 %\), 6 \(10 %\)\)/);
  assert.equal(put?.body, '{"version":5}');
});

test("rollback asks for a version where none is surely the one before", async (context) => {
  const never = await rollBack(context, {});
  assert.match(never.stderr, /never another version than 5: name one with --to/);
  const already = await rollBack(context, { formerVersion: 6 });
  assert.match(already.stderr, /moved back from version 6 already: name one with --to/);
  assert.deepEqual([never.put, already.put], [undefined, undefined]);
});
