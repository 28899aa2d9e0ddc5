import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  type Answer,
  assertProblem,
  call,
  receiptOf,
  startWithCode,
  type TestFederation,
  type TestZone,
} from "./zones.ts";

let federation: TestFederation;
let zone: TestZone;
let codeDigest: string;
before(async () => {
  ({ federation, zone, codeDigest } = await startWithCode(["eu-west"]));
});
after(() => federation.stop());

const ask = (method: string, path: string, body?: unknown): Promise<Answer> =>
  call(zone, federation.keys.demo, method, `/v1/tenants/demo/functions${path}`, body);
const deploy = (name: string, more: object = {}): Promise<Answer> =>
  ask("POST", `/${name}/versions`, {
    codeDigest,
    codeReceipt: receiptOf(codeDigest),
    // The only zone here.
    manifest: { name, placement: { regions: ["eu"] }, ...more },
  });
const deployed = async (name: string, more?: object): Promise<void> => {
  const answer = await deploy(name, more);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
};

test("an older version may be the fallback, and stays as long as it is", async () => {
  await deployed("steps");
  await deployed("steps", { fallback: { version: 1 } });
  await deployed("steps");
  assertProblem(await ask("DELETE", "/steps/versions/1"), 409, "MERIDIAN_CONFLICT", /version 2/);
  assert.equal((await ask("DELETE", "/steps/versions/2")).status, 204);
  assert.equal((await ask("DELETE", "/steps/versions/1")).status, 204);
});

test("neither the version itself, nor one that is not there, is a fallback", async () => {
  const early = await deploy("early", { fallback: { version: 1 } });
  assertProblem(early, 400, "MERIDIAN_MANIFEST_INVALID", /none yet/);
  await deployed("early");
  for (const version of [2, 7])
    assertProblem(
      await deploy("early", { fallback: { version } }),
      400,
      "MERIDIAN_MANIFEST_INVALID",
      new RegExp(`version ${version} of early, which is none of its earlier versions \\(1\\)`),
    );
});

const answer = (more: object = {}) => ({ answer: { status: 200, body: "[]", ...more } });
const refused: readonly (readonly [name: string, fallback: unknown])[] = [
  ["is empty", {}],
  ["is both", { version: 1, ...answer() }],
  ["is a word", "cache"],
  ["has a status that ends nothing", answer({ status: 100 })],
  ["has no body", { answer: { status: 200 } }],
  ["has a body beyond 1,024 characters", answer({ body: "x".repeat(1_025) })],
  ["would break the header", answer({ contentType: "text/plain\r\nset-cookie: a=b" })],
  ["has a key more", answer({ headers: {} })],
];

for (const [name, fallback] of refused)
  test(`a fallback that ${name} is refused`, async () => {
    assertProblem(await deploy("odd", { fallback }), 400, "MERIDIAN_MANIFEST_INVALID");
  });

test("what a fallback must be is said in words", async () => {
  for (const fallback of [{}, { version: 1, ...answer() }]) {
    const { body } = await deploy("odd", { fallback });
    assert.match(String(body.detail), /fallback must be .*"version".* or .*"answer".*not both/);
  }
});

test("a fixed answer is kept as it was sent", async () => {
  const fallback = answer({ status: 503, contentType: "text/html", body: "<p>Later ✓</p>" });
  await deployed("fixed", { fallback });
  const seen = await ask("GET", "/fixed");
  assert.deepEqual((seen.body.manifest as { fallback: unknown }).fallback, fallback);
});

test("only what is declared idempotent may be hedged", async () => {
  const answer = await deploy("twice", { hedge: true });
  assertProblem(answer, 400, "MERIDIAN_MANIFEST_INVALID", /declare it `idempotent`/);
  await deployed("twice", { hedge: true, idempotent: true });
});
