import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readEndpoints } from "#lib/io/run-directory.ts";
import {
  type Answer,
  type CommandResult,
  type Federation,
  isAlive,
  REPOSITORY,
  startFederation,
  until,
} from "./support/federation.ts";

const planted = randomBytes(30).toString("base64url");
const digest = createHash("sha256").update(planted).digest("hex");
const KEEPER = join(REPOSITORY, "test/system/functions/keeper");
const INVOKE = "/v1/tenants/demo/functions/keeper:invoke";

let federation: Federation;
let folder: string;
/** Everything that was printed and answered. */
const heard: string[] = [];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "meridian-planted-"));
  federation = await startFederation("--idle-seconds", "1");
});
after(async () => {
  await federation.stop();
  await rm(folder, { recursive: true, force: true });
});

async function cli(...argv: string[]): Promise<CommandResult> {
  const result = await federation.cli(...argv);
  heard.push(result.stdout, result.stderr);
  return result;
}
async function ask(...call: Parameters<Federation["request"]>): Promise<Answer> {
  const answer = await federation.request(...call);
  heard.push(answer.text, JSON.stringify([...answer.headers]));
  return answer;
}
const invoke = (zone: string): Promise<Answer> =>
  ask(INVOKE, {
    zone,
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json" },
  });
async function pidsOf(program: string): Promise<readonly number[]> {
  const endpoints = await readEndpoints(join(federation.state, "run"));
  return endpoints.filter((one) => one.program === program).map(({ pid }) => pid);
}

test("an instance gets the secret in its environment, and a federation without one says so", async () => {
  const unknown = await cli("deploy", KEEPER, "--secret", "DB_PASSWORD=db-password");
  assert.match(unknown.stderr, /MERIDIAN_SECRET_UNKNOWN/);
  const file = join(folder, "value");
  await writeFile(file, `${planted}\n`);
  assert.equal((await cli("secret", "set", "db-password", "--file", file)).exitCode, 0);
  const deployed = await cli("deploy", KEEPER, "--secret", "DB_PASSWORD=db-password", "--json");
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  for (const zone of ["eu-west", "us-east", "ap-south"]) {
    const answer = await invoke(zone);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(JSON.parse(answer.text).digest, digest);
  }
});

test("instances start with every federator standing still, also after the agents were killed", async () => {
  const federators = await pidsOf("federator");
  const before = await invoke("eu-west");
  await until("every agent has it on its disk", 10_000, async () => {
    for (const zone of ["eu-west", "us-east", "ap-south"]) {
      const table = join(federation.state, "zones", zone, "agent", "route-table.json");
      assert.match(await readFile(table, "utf8"), /keeper/);
    }
    return true;
  });
  for (const pid of federators) process.kill(pid, "SIGSTOP");
  try {
    for (const pid of await pidsOf("agent")) process.kill(pid, "SIGKILL");
    const { pid } = JSON.parse(before.text) as { pid: number };
    await until("the old instance is gone", 15_000, async () => (isAlive(pid) ? undefined : true));
    const answer = await until("an instance is there", 20_000, async () => {
      const candidate = await invoke("eu-west");
      assert.equal(candidate.status, 200, candidate.text);
      return candidate;
    });
    assert.equal(JSON.parse(answer.text).digest, digest);
  } finally {
    for (const pid of federators) process.kill(pid, "SIGCONT");
  }
});

test("a secret that is needed stays; everything else can be asked", async () => {
  await until("the federators are back", 20_000, async () =>
    (await ask("/v1/status", { as: "operator" })).status === 200 ? true : undefined,
  );
  const refused = await cli("secret", "remove", "db-password");
  assert.match(refused.stderr, /version 1 of keeper/);
  for (const command of [
    ["secret", "list", "--json"],
    ["list", "--json"],
    ["version", "list", "keeper", "--json"],
    ["placement", "keeper", "--json"],
    ["status", "--json"],
    ["logs", "keeper", "--json"],
    ["audit", "--json"],
    ["route", "explain", "keeper", "--json"],
  ])
    assert.equal((await cli(...command)).exitCode, 0, command.join(" "));
  for (const path of ["secrets", "secrets/db-password", "functions/keeper"])
    assert.equal((await ask(`/v1/tenants/demo/${path}`)).status, 200, path);
  for (const program of ["federator", "agent", "gateway"])
    for (const { urls } of (await readEndpoints(join(federation.state, "run"))).filter(
      (one) => one.program === program,
    ))
      heard.push(await (await fetch(`${urls.admin}/metrics`)).text());
});

test("no file of the state folder, no log and no answer has the value, in clear or in base64", async () => {
  for (const program of ["federator", "agent", "gateway"])
    for (const pid of await pidsOf(program)) process.kill(pid, "SIGKILL");
  const forms = [planted, ...base64Forms(planted)];
  const files = await readdir(federation.state, { recursive: true, withFileTypes: true });
  let bytes = 0;
  for (const file of files.filter((entry) => entry.isFile())) {
    const path = join(file.parentPath, file.name);
    const content = await readFile(path).catch(() => Buffer.alloc(0));
    bytes += content.length;
    for (const form of forms) assert.ok(!content.includes(form), `${form} is in ${path}`);
  }
  assert.ok(bytes > 100_000 && heard.length > 20, "there was something to look through");
  const text = heard.join("\n");
  assert.ok(text.includes(digest));
  for (const form of forms) assert.ok(!text.includes(form));
});

/** What of its base64 is the same whatever stands before and after it: at each of the three alignments. */
function base64Forms(value: string): string[] {
  return [0, 1, 2].map((shift) => {
    const encoded = Buffer.from(`${"x".repeat(shift)}${value}`).toString("base64");
    return encoded.slice(shift === 0 ? 0 : 4, -4);
  });
}
