import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  type Answer,
  assertProblem,
  call,
  startWithCode,
  type TestFederation,
  receiptOf,
  type TestZone,
} from "./zones.ts";

let federation: TestFederation;
let zone: TestZone;
let codeDigest: string;
before(async () => {
  ({ federation, zone, codeDigest } = await startWithCode(["eu-west", "us-east"]));
});
after(() => federation.stop());

const ask = (method: string, path: string, body?: unknown): Promise<Answer> =>
  call(zone, federation.keys.demo, method, `/v1/tenants/demo/functions${path}`, body);
async function deploy(name: string, placement?: object, alias?: string | null): Promise<Answer> {
  const manifest = { name, ...(placement !== undefined && { placement }) };
  const answer = await ask("POST", `/${name}/versions`, {
    codeDigest,
    codeReceipt: receiptOf(codeDigest),
    manifest,
    ...(alias !== undefined && { alias }),
  });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer;
}
const placementOf = ({ body }: Answer): unknown =>
  (body["version"] as { manifest: { placement: unknown } }).manifest.placement;
const EU = { regions: ["eu"], tier: "critical", clustersMin: 1 };
const ANYWHERE = { regions: [], tier: "normal", clustersMin: 1 };

test("a first version that says nothing of its placement may run anywhere", async () => {
  const first = await deploy("first");
  assert.deepEqual(placementOf(first), ANYWHERE);
  assert.equal(first.headers.get("meridian-placement-from"), null);
});

test("a version without a placement keeps that of the version behind live, and says which", async () => {
  await deploy("kept");
  assert.equal((await ask("PUT", "/kept/placement", EU)).status, 200);
  await deploy("kept", { regions: ["us"] }, "beta");
  const next = await deploy("kept");
  assert.deepEqual(placementOf(next), EU);
  assert.equal(next.headers.get("meridian-placement-from"), "2");
  const manifest = { name: "kept", timeoutMs: 77 };
  const declared = await ask("PUT", "/kept", { codeDigest, manifest });
  assert.equal(declared.status, 200);
  assert.deepEqual(placementOf(declared), EU);
});

test("what a placement does not say is kept, and what it says wins", async () => {
  await deploy("part", EU);
  assert.deepEqual(placementOf(await deploy("part", { tier: "batch" })), { ...EU, tier: "batch" });
  const wide = await deploy("part", { regions: [] });
  assert.deepEqual(placementOf(wide), { ...EU, tier: "batch", regions: [] });
  assert.equal(wide.headers.get("meridian-placement-from"), null);
});

test("while nothing is live, a new version keeps the newest one's placement", async () => {
  await deploy("unseen", EU, null);
  assert.deepEqual(placementOf(await deploy("unseen")), EU);
});

test("an alias goes to a version that may run in more places only if that is said to be meant", async () => {
  await deploy("back", { regions: [] });
  await deploy("back", { regions: ["eu"] });
  await deploy("back", { regions: ["us"] }, null);
  const move = (body: object) => ask("PUT", "/back/aliases/live", body);
  const refused = await move({ version: 1 });
  assertProblem(refused, 409, "MERIDIAN_CONFLICT");
  assert.match(String(refused.body["detail"]), /version 1 may run anywhere, version 2 only in eu/);
  assertProblem(await move({ version: 3 }), 409, "MERIDIAN_CONFLICT");
  const share = [{ version: 1, percent: 1 }];
  assertProblem(await move({ version: 2, additionalVersions: share }), 409, "MERIDIAN_CONFLICT");
  assertProblem(
    await ask("POST", "/back/aliases/live:rollout", { version: 1 }),
    409,
    "MERIDIAN_CONFLICT",
  );
  assert.equal((await move({ version: 1, acceptWiderPlacement: true })).status, 200);
  assert.equal((await move({ version: 2 })).status, 200, "narrower is always allowed");
});
