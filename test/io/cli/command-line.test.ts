import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { MERIDIAN, meridian, preparedApi } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const INVOKE = "POST /v1/tenants/demo/functions/hello:invoke";
const LIST = "GET /v1/tenants/demo/functions";

interface Misuse {
  readonly argv: readonly string[];
  readonly says: RegExp;
}
const misuses: readonly Misuse[] = [
  { argv: ["nope"], says: /unknown command 'nope'/ },
  { argv: ["deploy"], says: /missing required argument/ },
  { argv: ["deploy", "/gone/away"], says: /there is no \/gone\/away/ },
  { argv: ["deploy", ".", "--runtime", "cobol"], says: /node, python/ },
  { argv: ["deploy", ".", "--memory", "lots"], says: /whole number from 64 to 10240/ },
  { argv: ["deploy", ".", "--env", "NOVALUE"], says: /NAME=VALUE/ },
  { argv: ["invoke", "hello", "--data", "{"], says: /--data is not JSON/ },
  { argv: ["invoke", "hello", "--data", "1", "--file", "x"], says: /not with both/ },
  { argv: ["invoke", "hello", "--file", "/gone"], says: /\/gone cannot be read/ },
  { argv: ["list", "--state", "/gone"], says: /no \/gone\/credentials\.json.*meridian up/ },
  { argv: ["list", "--endpoint", "somewhere", "--key", "k"], says: /http:\/\/127\.0\.0\.1:8080/ },
  { argv: ["zone", "kill", "eu-west", "--state", "/gone"], says: /no "meridian up" is running/ },
  {
    argv: ["quota", "request", "speed", "--value", "1", "--reason", "x"],
    says: /no quota "speed"/,
  },
  { argv: ["quota", "request", "rate", "--value", "1"], says: /--reason/ },
  { argv: ["up", "--zones", "atlantis"], says: /"atlantis" has no known location/ },
  { argv: ["up", "--port", "65534"], says: /ports up to 65537 are needed/ },
  { argv: ["up", "--trusted-proxies", "10.0.0.0/99"], says: /10\.0\.0\.0\/99/ },
  { argv: ["logs", "hello", "--since", "soon"], says: /no .*credentials|not an age/ },
];
for (const { argv, says } of misuses)
  test(`meridian ${argv.join(" ")} is wrong usage and says why`, async () => {
    const { exitCode, stdout, stderr } = await meridian(argv, { cwd: tmpdir() });
    assert.match(stderr, says);
    assert.equal(exitCode, 2);
    assert.equal(stdout, "");
  });

test("the command works through a link and from any folder", async (context) => {
  const folder = await temporaryFolder(context);
  await symlink(MERIDIAN, join(folder, "linked"));
  const { exitCode, stdout } = await meridian(["--help"], { cwd: "/" });
  assert.equal(exitCode, 0);
  assert.match(stdout, /Usage: meridian/);
});

test("a reader that has read enough, as head has, ends the command without a word", async () => {
  const child = spawn(MERIDIAN, ["--help"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  const [said, [exitCode]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  assert.deepEqual([said, exitCode], ["", 0]);
});

test("a tenant's commands carry the tenant's key, an operator's the operator's, a given key goes first", async (context) => {
  const api = await preparedApi(context, {
    [LIST]: { json: { items: [] } },
    "GET /v1/tenants/acme/functions": { json: { items: [] } },
    "GET /v1/whoami": { json: { tenant: "demo", roles: ["tenant-admin"], keyPrefix: "mk_given" } },
    "GET /v1/tenants": { json: { items: [] } },
  });
  const state = ["--state", api.state];
  const commands = [
    ["list", ...state],
    ["list", "--tenant", "acme", ...state],
    ["tenant", "list", ...state],
    ["list", "--key", "mk_given", ...state],
    ["list", "--key", "mk_given", "--endpoint", api.endpoint],
  ];
  for (const argv of commands) assert.equal((await meridian(argv)).exitCode, 0, argv.join(" "));
  assert.deepEqual(
    api.seen.map(({ line, headers }) => `${line} ${headers.authorization}`),
    [
      `${LIST} Bearer mk_demo`,
      "GET /v1/tenants/acme/functions Bearer mk_acme",
      "GET /v1/tenants Bearer mk_operator",
      "GET /v1/whoami Bearer mk_given",
      `${LIST} Bearer mk_given`,
      "GET /v1/whoami Bearer mk_given",
      `${LIST} Bearer mk_given`,
    ],
  );
});

test("variables say the same as flags, and flags win", async (context) => {
  const api = await preparedApi(context, { [LIST]: { json: { items: [] } } });
  const environment = { MERIDIAN_STATE: api.state };
  assert.equal((await meridian(["list"], { environment })).exitCode, 0);
  const overruled = await meridian(["list", "--state", "/gone"], { environment });
  assert.equal(overruled.exitCode, 2);
});

test("the state of the nearest folder upwards is found without a flag", async (context) => {
  const api = await preparedApi(context, { [LIST]: { json: { items: [] } } });
  const project = await temporaryFolder(context);
  await symlink(api.state, join(project, ".meridian"));
  await mkdir(join(project, "deep/down"), { recursive: true });
  assert.equal((await meridian(["list"], { cwd: join(project, "deep/down") })).exitCode, 0);
});

test("keys of a state folder are never sent to another address", async (context) => {
  const api = await preparedApi(context, {});
  const stranger = await preparedApi(context, {});
  const argv = ["list", "--state", api.state, "--endpoint", stranger.endpoint];
  const { exitCode, stderr } = await meridian(argv);
  assert.equal(exitCode, 2);
  assert.match(stderr, /its keys are not sent there/);
  assert.deepEqual(stranger.seen, []);
});

test("a problem is told with its detail, code and request id, and as JSON to machines", async (context) => {
  const problem = {
    code: "MERIDIAN_FUNCTION_NOT_FOUND",
    detail: "demo has no function hello",
    requestId: "r-1",
    status: 404,
  };
  const api = await preparedApi(context, { [INVOKE]: { status: 404, json: problem } });
  const argv = ["invoke", "hello", "--data", "{}", "--state", api.state];
  const said = await meridian(argv);
  assert.equal(said.exitCode, 1);
  assert.equal(
    said.stderr,
    "error: demo has no function hello\n       MERIDIAN_FUNCTION_NOT_FOUND  request r-1\n",
  );
  const printed = await meridian([...argv, "--json"]);
  assert.equal(printed.exitCode, 1);
  assert.equal((JSON.parse(printed.stderr) as { code: string }).code, problem.code);
});

test("where nothing listens, it says how to start", async () => {
  const argv = ["list", "--endpoint", "http://127.0.0.1:1", "--key", "k", "--tenant", "demo"];
  const { exitCode, stderr } = await meridian(argv);
  assert.equal(exitCode, 1);
  assert.match(stderr, /nothing answers at http:\/\/127\.0\.0\.1:1: start it with "npm start"/);
});

test("an answer of another version is told as such", async (context) => {
  const api = await preparedApi(context, { [LIST]: { json: { functions: [] } } });
  const { exitCode, stderr } = await meridian(["list", "--state", api.state]);
  assert.equal(exitCode, 1);
  assert.match(stderr, /does not understand/);
});
