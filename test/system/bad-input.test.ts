import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { type Answer, type Federation, REPOSITORY, startFederation } from "./support/federation.ts";

/** Keeps the caller within a third of the tenant's rate, however quick the machine is. */
const PAUSE_MS = 5;

const functions = (name: string) => join(REPOSITORY, "test/system/functions", name);
let federation: Federation;
before(async () => {
  federation = await startFederation();
});
after(() => federation.stop());

test("a folder without its handler, and an import that leads nowhere, are refused at deploy with the name of what is missing", async () => {
  const noHandler = await federation.cli("deploy", functions("no-handler"));
  assert.notEqual(noHandler.exitCode, 0);
  assert.match(noHandler.stderr, /index\.(mjs|js|cjs)/);
  const badImport = await federation.cli("deploy", functions("bad-import"));
  assert.notEqual(badImport.exitCode, 0);
  assert.match(badImport.stderr, /a-package-that-is-not-there/);
});

test("a body of 50 MB is refused with its own code, and so is one that is not the JSON it says", async () => {
  const huge = await federation
    .request("/v1/tenants/demo/functions/hello:invoke", {
      method: "POST",
      body: randomBytes(50 * 1024 * 1024),
    })
    .catch((error: unknown) => error);
  // The refusal may overtake the upload, as HTTP allows: then the client sees the connection close.
  if (!(huge instanceof Error)) {
    assert.equal((huge as Answer).status, 413);
    assert.equal(JSON.parse((huge as Answer).text).code, "MERIDIAN_BODY_TOO_LARGE");
  }
  const seven = await federation
    .request("/v1/tenants/demo/functions/hello:invoke", {
      method: "POST",
      body: randomBytes(7 * 1024 * 1024),
    })
    .catch((error: unknown) => error);
  if (!(seven instanceof Error)) assert.equal((seven as Answer).status, 413);
  await expectProblem(
    invoke("hello", '{"name":', "application/json"),
    400,
    "MERIDIAN_BODY_INVALID_JSON",
  );
});

test("an unknown function, tenant, path and method each have their own answer", async () => {
  await expectProblem(
    invoke("not-there", "{}", "application/json"),
    404,
    "MERIDIAN_FUNCTION_NOT_FOUND",
  );
  await expectProblem(
    federation.request("/v1/tenants/nobody/functions/hello:invoke", { method: "POST" }),
    404,
    "MERIDIAN_FUNCTION_NOT_FOUND",
  );
  await expectProblem(federation.request("/v1/no-such-thing"), 404, "MERIDIAN_NOT_FOUND");
  await expectProblem(
    federation.request("/v1/tenants/demo/functions/hello:invoke", { as: null, method: "POST" }),
    401,
    "MERIDIAN_UNAUTHENTICATED",
  );
  const wrongMethod = await federation.request("/v1/tenants/demo/functions/hello:invoke", {
    method: "DELETE",
  });
  assert.equal(wrongMethod.status, 405);
});

test("a handler that throws, exits or never returns fails in its own call, and the neighbours do not notice", async () => {
  for (const name of ["thrower", "quitter", "spinner"]) {
    const deployed = await federation.cli("deploy", functions(name));
    assert.equal(deployed.exitCode, 0, deployed.stderr);
  }
  const neighbours = keepCalling("hello");
  const [thrown, exited, spun] = await Promise.all([
    invoke("thrower", "", "text/plain"),
    invoke("quitter", "", "text/plain"),
    invoke("spinner", "", "text/plain"),
  ]);

  assert.equal(thrown.status, 200, thrown.text);
  assert.equal(thrown.headers.get("meridian-function-error"), "Handled");
  assert.equal(JSON.parse(thrown.text).errorType, "TypeError");
  assert.equal(JSON.parse(thrown.text).errorMessage, "on purpose");
  assert.equal(exited.status, 200, exited.text);
  assert.equal(exited.headers.get("meridian-function-error"), "Unhandled");
  assert.equal(JSON.parse(exited.text).errorType, "Runtime.ExitError");
  assert.equal(spun.status, 200, spun.text);
  assert.equal(spun.headers.get("meridian-function-error"), "Unhandled");
  assert.match(JSON.parse(spun.text).errorMessage, /timed out after 0\.50 seconds/);

  await expectProblem(federation.request("/fn/demo/thrower/"), 502, "MERIDIAN_FUNCTION_FAILED");
  assert.deepEqual(await neighbours.stop(), []);
});

test("hostile archives are refused and leave nothing", async () => {
  const { digest, bytes } = archiveWithSlip();
  await expectProblem(
    federation.request(`/v1/tenants/demo/code/${digest}`, {
      method: "PUT",
      body: bytes,
      headers: { "content-type": "application/zip" },
    }),
    400,
    "MERIDIAN_CODE_INVALID",
  );
  await expectProblem(
    federation.request(`/v1/tenants/demo/code/sha256:${"0".repeat(64)}`, {
      method: "PUT",
      body: bytes,
      headers: { "content-type": "application/zip" },
    }),
    400,
    "MERIDIAN_CODE_DIGEST_MISMATCH",
  );
});

const invoke = (name: string, body: string, type: string): Promise<Answer> =>
  federation.request(`/v1/tenants/demo/functions/${name}:invoke`, {
    method: "POST",
    body,
    headers: { "content-type": type },
  });

async function expectProblem(call: Promise<Answer>, status: number, code: string): Promise<void> {
  const answer = await call;
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers.get("content-type") ?? "", /application\/problem\+json/);
  const problem = JSON.parse(answer.text);
  assert.equal(problem.code, code);
  assert.equal(problem.status, status);
  assert.ok(problem.detail.length > 0 && problem.requestId.length > 0);
}

/** Calls the function until stopped; gives back every answer that was not good. */
function keepCalling(name: string): { stop: () => Promise<string[]> } {
  const failures: string[] = [];
  const stopping = new AbortController();
  const loop = async () => {
    while (!stopping.signal.aborted) {
      const answer = await invoke(name, '{"name":"n"}', "application/json");
      if (answer.status !== 200) failures.push(`${answer.status} ${answer.text}`);
      await sleep(PAUSE_MS);
    }
  };
  const running = loop();
  return {
    stop: async () => {
      stopping.abort();
      await running;
      return failures;
    },
  };
}

/** A zip made by hand, whose one entry climbs out of the folder. */
function archiveWithSlip(): { digest: string; bytes: Uint8Array } {
  const name = Buffer.from("../../escaped.js");
  const content = Buffer.from("exports.handler = 1");
  const crc = crc32(content);
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(20, 4);
  local.writeUInt32LE(crc, 14);
  local.writeUInt32LE(content.length, 18);
  local.writeUInt32LE(content.length, 22);
  local.writeUInt16LE(name.length, 26);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50, 0);
  central.writeUInt16LE(20, 4);
  central.writeUInt16LE(20, 6);
  central.writeUInt32LE(crc, 16);
  central.writeUInt32LE(content.length, 20);
  central.writeUInt32LE(content.length, 24);
  central.writeUInt16LE(name.length, 28);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length + name.length, 12);
  end.writeUInt32LE(local.length + name.length + content.length, 16);
  const bytes = Buffer.concat([local, name, content, central, name, end]);
  return { digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, bytes };
}
