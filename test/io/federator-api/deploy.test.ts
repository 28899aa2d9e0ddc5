import assert from "node:assert/strict";
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { digestOf, zipOf } from "./archives.ts";
import {
  type Answer,
  assertProblem,
  bootTokenHeader,
  call,
  startZones,
  type TestFederation,
  receiptOf,
  type TestZone,
} from "./zones.ts";

let federation: TestFederation;
let eu: TestZone;
let us: TestZone;
before(async () => {
  federation = await startZones(["eu-west", "us-east"]);
  const [first, second] = federation.zones;
  assert.ok(first !== undefined && second !== undefined);
  [eu, us] = [first, second];
});
after(() => federation.stop());

const archive = zipOf([{ name: "index.mjs", content: "export const handler = () => 1;" }]);
const codeDigest = digestOf(archive);

const upload = (zone: TestZone, bytes: Uint8Array, digest = digestOf(bytes)): Promise<Answer> =>
  call(zone, federation.keys.demo, "PUT", `/v1/tenants/demo/code/${digest}`, bytes);
const deploy = (zone: TestZone, name: string, more: object = {}, digest = codeDigest) =>
  call(zone, federation.keys.demo, "POST", `/v1/tenants/demo/functions/${name}/versions`, {
    codeDigest: digest,
    codeReceipt: receiptOf(digest),
    manifest: { name, ...more },
  });
const holds = (zone: TestZone, digest: string): Promise<boolean> =>
  access(join(zone.codeDirectory, `${digest}.zip`)).then(
    () => true,
    () => false,
  );

test("code is staged, deployed, durable in both zones that are up, and the next deploy is the next version", async () => {
  const stored = await upload(eu, archive);
  assert.equal(stored.status, 201, JSON.stringify(stored.body));
  assert.deepEqual(stored.body, {
    digest: codeDigest,
    bytes: archive.length,
    files: 1,
    receipt: receiptOf(codeDigest),
  });
  assert.equal((await upload(eu, archive)).status, 201, "sent twice is as good as once");

  // Through the other zone, which has to fetch the code first.
  const first = await deploy(us, "hello");
  assert.equal(first.status, 201, JSON.stringify(first.body));
  assert.deepEqual(first.body.codeZones, ["eu-west", "us-east"]);
  assert.deepEqual(first.body.gateways, { ready: ["us-east.gateway"], waiting: [] });
  assert.ok((await holds(eu, codeDigest)) && (await holds(us, codeDigest)));

  const second = await deploy(us, "hello", { timeoutMs: 500 });
  const { version, alias } = second.body as { version: object; alias: object };
  assert.equal((version as { version: number }).version, 2);
  assert.equal((alias as { version: number }).version, 2);
  const seen = await call(us, federation.keys.demo, "GET", "/v1/tenants/demo/functions/hello");
  assert.equal((seen.body.manifest as { timeoutMs: number }).timeoutMs, 500);
  assert.deepEqual(seen.body.aliases, { live: 2 });
});

test("an alias moves back and forth under its ETag, and only to versions there are", async () => {
  const path = "/v1/tenants/demo/functions/hello/aliases/live";
  const { demo } = federation.keys;
  const etag = (await call(us, demo, "GET", path)).headers.get("etag") ?? "";
  assert.match(etag, /^"\d+"$/);
  const moved = await call(us, demo, "PUT", path, { version: 1 }, { "if-match": etag });
  assert.equal(moved.status, 200, JSON.stringify(moved.body));
  assert.notEqual(moved.headers.get("etag"), etag);
  const late = await call(us, demo, "PUT", path, { version: 2 }, { "if-match": etag });
  assertProblem(late, 412, "MERIDIAN_PRECONDITION_FAILED");
  const weak = await call(us, demo, "PUT", path, { version: 2 }, { "if-match": `W/${etag}` });
  assertProblem(weak, 412, "MERIDIAN_PRECONDITION_FAILED");
  assertProblem(
    await call(us, demo, "PUT", path, { version: 9 }),
    404,
    "MERIDIAN_NOT_FOUND",
    /version 9/,
  );
});

test("what cannot be deployed is refused with what is wrong, and nothing is left in the catalog", async () => {
  await upload(eu, archive);
  assertProblem(
    await deploy(eu, "bad", { handler: "main.handler" }),
    400,
    "MERIDIAN_HANDLER_MISSING",
    /main\.js, main\.mjs, main\.cjs/,
  );
  assertProblem(
    await deploy(eu, "bad", { runtime: "provided" }),
    400,
    "MERIDIAN_HANDLER_MISSING",
    /The runtime "provided" needs one of the files bootstrap/,
  );
  assertProblem(
    await deploy(eu, "bad", { handler: "index" }),
    400,
    "MERIDIAN_MANIFEST_INVALID",
    /not of the form file\.export/,
  );
  assertProblem(
    await deploy(eu, "bad", { placement: { regions: ["eu", "mars"] } }),
    400,
    "MERIDIAN_REGION_UNKNOWN",
    /mars/,
  );
  assertProblem(await deploy(eu, "bad", { name: "other" }), 400, "MERIDIAN_MANIFEST_INVALID");
  const environment = { A: "x".repeat(1_000), B: "x".repeat(1_000) };
  assertProblem(
    await deploy(eu, "bad", { environment }),
    400,
    "MERIDIAN_MANIFEST_INVALID",
    /\d{4} bytes/,
  );
  const wrong = await deploy(eu, "bad", {
    timeoutMs: "3000",
    unknown: 1,
    placement: { tier: "no" },
  });
  assertProblem(wrong, 400, "MERIDIAN_MANIFEST_INVALID");
  const paths = (wrong.body.errors as { path: string }[]).map(({ path }) => path);
  for (const path of ["/manifest/timeoutMs", "/manifest/unknown", "/manifest/placement/tier"])
    assert.ok(paths.includes(path), `${path} in ${JSON.stringify(wrong.body.errors)}`);
  const nowhere = `sha256:${"1".repeat(64)}`;
  assertProblem(await deploy(eu, "bad", {}, nowhere), 404, "MERIDIAN_CODE_NOT_FOUND");
  const functions = await call(eu, federation.keys.demo, "GET", "/v1/tenants/demo/functions/bad");
  assertProblem(functions, 404, "MERIDIAN_FUNCTION_NOT_FOUND");
});

test("code staged in a zone outside the residency is passed on and does not stay", async () => {
  const own = zipOf([{ name: "index.js", content: "exports.handler = () => 'eu';" }]);
  const digest = digestOf(own);
  await upload(us, own);
  const answer = await deploy(us, "resident", { placement: { regions: ["eu"] } }, digest);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  assert.deepEqual(answer.body.codeZones, ["eu-west"]);
  assert.ok(await holds(eu, digest));
  assert.ok(!(await holds(us, digest)));
});

test("too few zones for the code: 503, and no version", async () => {
  const own = zipOf([{ name: "index.js", content: "exports.handler = () => 'in';" }]);
  await upload(eu, own);
  const refused = await deploy(eu, "far", { placement: { regions: ["in"] } }, digestOf(own));
  assertProblem(refused, 503, "MERIDIAN_CODE_NOT_DURABLE", /0 of the 1/);
  const answer = await call(eu, federation.keys.demo, "GET", "/v1/tenants/demo/functions/far");
  assert.equal(answer.status, 404);
});

test("uploads that are too large, of another digest or no archive are refused on a connection that stays good", async () => {
  const huge = Buffer.alloc(50 * 1024 * 1024 + 1);
  assertProblem(await upload(eu, huge), 413, "MERIDIAN_CODE_TOO_LARGE");
  const other = `sha256:${"2".repeat(64)}`;
  assertProblem(await upload(eu, archive, other), 400, "MERIDIAN_CODE_DIGEST_MISMATCH");
  assertProblem(await upload(eu, Buffer.from("not a zip")), 400, "MERIDIAN_CODE_INVALID");
  const slip = zipOf([{ name: "../../escaped.js", content: "1" }]);
  assertProblem(await upload(eu, slip), 400, "MERIDIAN_CODE_INVALID", /escaped/);
  const json = await call(eu, federation.keys.demo, "PUT", `/v1/tenants/demo/code/${other}`, {});
  assertProblem(json, 400, "MERIDIAN_BAD_REQUEST", /application\/zip/);
});

test("a function that is deleted is gone with its versions and aliases; one that comes again goes on with its numbers", async () => {
  const { demo } = federation.keys;
  await upload(eu, archive);
  await deploy(eu, "brief");
  await deploy(eu, "brief");
  const gone = await call(eu, demo, "DELETE", "/v1/tenants/demo/functions/brief");
  assert.equal(gone.status, 204);
  for (const path of ["", "/versions", "/aliases/live", "/logs"])
    assertProblem(
      await call(eu, demo, "GET", `/v1/tenants/demo/functions/brief${path}`),
      404,
      "MERIDIAN_FUNCTION_NOT_FOUND",
    );
  assertProblem(
    await call(eu, demo, "DELETE", "/v1/tenants/demo/functions/brief"),
    404,
    "MERIDIAN_FUNCTION_NOT_FOUND",
  );
  const again = await deploy(eu, "brief");
  assert.equal((again.body.version as { version: number }).version, 3);
});

test("code between zones needs the boot token, and is verified there again", async () => {
  const path = `/internal/code/${codeDigest}`;
  assertProblem(
    await call(eu, federation.keys.operator, "PUT", path, archive),
    401,
    "MERIDIAN_UNAUTHENTICATED",
  );
  const lie = await call(eu, null, "PUT", path, Buffer.from("other"), bootTokenHeader);
  assertProblem(lie, 400, "MERIDIAN_CODE_DIGEST_MISMATCH");
  const read = await fetch(eu.url + path, { headers: bootTokenHeader });
  assert.deepEqual(Buffer.from(await read.arrayBuffer()), archive);
});

test("an upload that its sender abandons leaves nothing", async () => {
  const incoming = join(eu.codeDirectory, "incoming");
  const sending = new AbortController();
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(new Uint8Array(100_000)),
  });
  const sent = fetch(`${eu.url}/v1/tenants/demo/code/${codeDigest}`, {
    method: "PUT",
    headers: {
      authorization: `Bearer ${federation.keys.demo}`,
      "content-type": "application/zip",
    },
    body,
    duplex: "half",
    signal: sending.signal,
  });
  await until(async () => (await readdir(incoming)).length === 1);
  sending.abort();
  await assert.rejects(sent);
  await until(async () => (await readdir(incoming)).length === 0);
});

/** Looks again until it is so; the runner's own time limit ends a test that waits for ever. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await setImmediate();
}
