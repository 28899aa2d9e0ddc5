import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pino } from "pino";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { internalClient } from "#lib/io/internal-client.ts";
import { codeFileName } from "#lib/ports/code-store.ts";
import { STAGED_KEPT_MS } from "../../../federator/core/code/plan-code-tending.ts";
import { openDirectoryCodeStore } from "../../../federator/io/code/directory-code-store.ts";
import { tendCode } from "../../../federator/io/code/tend-code.ts";
import { manualClock } from "../catalog/support/manual-clock.ts";
import { until } from "../federator/support/until.ts";
import { digestOf, zipOf } from "./archives.ts";
import { followCatalog } from "./follow-catalog.ts";
import {
  type Answer,
  assertProblem,
  BOOT_TOKEN,
  bootTokenHeader,
  call,
  startZones,
  type TestFederation,
  type TestZone,
  receiptOf,
  ZONES,
} from "./zones.ts";

let federation: TestFederation;
let eu: TestZone;
let us: TestZone;
let ap: TestZone;
before(async () => {
  federation = await startZones(["eu-west", "us-east", "ap-south"]);
  const [first, second, third] = federation.zones;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  [eu, us, ap] = [first, second, third];
});
after(() => federation.stop());

const archiveOf = (text: string): Buffer =>
  zipOf([{ name: "index.mjs", content: `export const handler = () => ${JSON.stringify(text)};` }]);
const fileOf = (zone: TestZone, digest: string): string =>
  join(zone.codeDirectory, codeFileName(digest));
const upload = (zone: TestZone, bytes: Uint8Array): Promise<Answer> =>
  call(zone, federation.keys.demo, "PUT", `/v1/tenants/demo/code/${digestOf(bytes)}`, bytes);
const deploy = (zone: TestZone, name: string, digest: string, regions: readonly string[] = []) =>
  call(zone, federation.keys.demo, "POST", `/v1/tenants/demo/functions/${name}/versions`, {
    codeDigest: digest,
    codeReceipt: receiptOf(digest),
    manifest: { name, placement: { regions } },
  });
const readFrom = async (zone: TestZone, digest: string): Promise<Buffer> => {
  const answer = await fetch(`${zone.url}/internal/code/${digest}`, { headers: bootTokenHeader });
  assert.equal(answer.status, 200, await answer.clone().text());
  return Buffer.from(await answer.arrayBuffer());
};
async function damage(zone: TestZone, digest: string): Promise<void> {
  const bytes = await readFile(fileOf(zone, digest));
  bytes[40] = (bytes[40] ?? 0) ^ 1;
  await writeFile(fileOf(zone, digest), bytes);
}

test("a peer whose copy is rotten is found out, and sent the code again", async () => {
  const bytes = archiveOf("rotten at a peer");
  const digest = digestOf(bytes);
  await upload(eu, bytes);
  assert.equal((await deploy(eu, "peer", digest)).status, 201);
  await damage(us, digest);
  const refused = await call(
    us,
    null,
    "GET",
    `/internal/code/${digest}`,
    undefined,
    bootTokenHeader,
  );
  assertProblem(refused, 503, "MERIDIAN_CODE_DAMAGED");
  await writeFile(fileOf(us, digest), "cut short");
  const again = await deploy(eu, "peer", digest);
  assert.deepEqual(again.body.codeZones, ["eu-west", "us-east", "ap-south"]);
  assert.deepEqual(await readFrom(us, digest), bytes);
  assert.deepEqual(await readdir(join(us.codeDirectory, "rotten")), [codeFileName(digest)]);
});

test("a zone whose own copy is rotten fetches it from a peer when it is deployed there", async () => {
  const bytes = archiveOf("rotten here");
  const digest = digestOf(bytes);
  await upload(eu, bytes);
  assert.equal((await deploy(eu, "own", digest)).status, 201);
  await damage(eu, digest);
  const again = await deploy(eu, "own", digest);
  assert.equal(again.status, 201, JSON.stringify(again.body));
  assert.deepEqual(await readFrom(eu, digest), bytes);
});

test("what a deploy passes on stays where another deploy asked for it meanwhile", async () => {
  const bytes = archiveOf("for two residencies");
  const digest = digestOf(bytes);
  await upload(us, bytes);
  // The one may not leave anything in us-east, the other counts on us-east alone.
  const [passed, kept] = await Promise.all([
    deploy(us, "elsewhere", digest, ["eu"]),
    deploy(eu, "here", digest, ["us"]),
  ]);
  assert.deepEqual([passed.status, kept.status], [201, 201]);
  assert.deepEqual([passed.body.codeZones, kept.body.codeZones], [["eu-west"], ["us-east"]]);
  assert.deepEqual(await readFrom(us, digest), bytes);
});

test("a store is tended: what is missing or rotten is fetched, what nothing refers to goes, but only while all is known", async () => {
  const bytes = archiveOf("tended");
  const digest = digestOf(bytes);
  await upload(eu, bytes);
  assert.equal((await deploy(eu, "tended", digest)).status, 201);
  const staged = archiveOf("staged and forgotten");
  const directory = join(us.codeDirectory, "another");
  const clock = manualClock();
  const log = pino({ level: "silent" });
  const client = internalClient(BOOT_TOKEN);
  const codeStore = await openDirectoryCodeStore({ directory, zone: "us-east", clock, log });
  const stagedCode = await codeStore.put(
    digestOf(staged),
    (async function* body() {
      yield staged;
    })(),
    new AbortController().signal,
  );
  const { replica, stop } = await followCatalog(federation.catalog);
  const stopping = new AbortController();
  let [mayCollect, ageMs] = [false, 0];
  const loop = tendCode(
    {
      codeStore,
      replica: { ...replica, ageMs: () => ageMs },
      federation: {
        waitFor: async () => ({ ready: [], waiting: [] }),
        leader: () => null,
        sightOf: () => "unknown",
        zoneStatus: () => assert.fail("nobody asks"),
        agents: async () => new Map(),
        peers: async () => new Map([["eu-west", eu.url]]),
      },
      client,
      clock,
      log,
      zone: "us-east",
      zones: ZONES,
      mayCollectCode: () => mayCollect,
    },
    stopping.signal,
  );
  const holds = async (one: string): Promise<boolean> =>
    (await codeStore.list()).some((stored) => stored.digest === one);
  try {
    await until("missing code is fetched", () => holds(digest));
    await writeFile(join(directory, codeFileName(digest)), "rotten");
    // One archive is looked through in each turn, and what was found damaged is fetched in the next.
    await until("rotten code is fetched again", async () => {
      await clock.advance(15_000);
      const there = await readFile(join(directory, codeFileName(digest))).catch(() => undefined);
      return there?.equals(bytes) === true;
    });

    const turns = async (): Promise<void> => {
      for (let turn = 0; turn < 3; turn += 1) {
        await clock.advance(15_000);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await clock.advance(STAGED_KEPT_MS);
    await turns();
    assert.ok(await holds(stagedCode.digest), "the replica may not know all");
    [mayCollect, ageMs] = [true, 60_000];
    await turns();
    assert.ok(await holds(stagedCode.digest), "the replica is cut off");
    ageMs = 0;
    const unreadable = keys.version("demo", "future", 1);
    const put = { kind: "put" as const, key: unreadable, value: '{"shape":"of the future"}' };
    const { revision } = await federation.catalog
      .txn({ compares: [], operations: [put] })
      .then((done) => {
        assert.equal(done.kind, "committed");
        return done.kind === "committed" ? done : assert.fail();
      });
    await replica.waitFor(revision, AbortSignal.timeout(5_000));
    await turns();
    assert.ok(await holds(stagedCode.digest), "a version cannot be read");
    await federation.catalog.txn({
      compares: [],
      operations: [{ kind: "delete", key: unreadable }],
    });
    await until("code that nothing refers to is removed", async () => {
      await clock.advance(15_000);
      return !(await holds(stagedCode.digest));
    });
    assert.ok(await holds(digest), "code in use stays");
  } finally {
    stopping.abort();
    await loop.ended;
    await stop();
    await client.close();
    await rm(directory, { recursive: true });
  }
});

test("a zone lost right after the answer loses no code: any other gives it, and the function can be deployed again", async () => {
  const bytes = archiveOf("lost with its zone");
  const digest = digestOf(bytes);
  await upload(eu, bytes);
  const answer = await deploy(eu, "survives", digest);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  await eu.stop();
  await rm(eu.codeDirectory, { recursive: true });

  const others = (answer.body.codeZones as string[]).filter((zone) => zone !== eu.name);
  assert.deepEqual(others, ["us-east", "ap-south"]);
  for (const zone of [us, ap]) assert.deepEqual(await readFrom(zone, digest), bytes);
  const again = await deploy(us, "survives", digest);
  assert.equal(again.status, 201, JSON.stringify(again.body));
  assert.deepEqual(again.body.codeZones, others);
});
