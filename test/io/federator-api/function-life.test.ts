import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { ChangeRecord, RolloutRecord } from "#lib/contracts/catalog-records.ts";
import type { Operation } from "#lib/ports/catalog.ts";
import { FUNCTIONS_MAX } from "../../../federator/io/functions/deploy-version.ts";
import {
  type Answer,
  assertProblem,
  call,
  startWithCode,
  startZones,
  type TestFederation,
  receiptOf,
  type TestZone,
} from "./zones.ts";

let federation: TestFederation;
let zone: TestZone;
let codeDigest: string;
let archive: Buffer;
before(async () => {
  ({ federation, zone, codeDigest, archive } = await startWithCode(["eu-west"]));
});
after(() => federation.stop());

const FUNCTIONS = "/v1/tenants/demo/functions";

const ask = (
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> =>
  call(zone, federation.keys.demo, method, `${FUNCTIONS}${path}`, body, headers);
/** Only this zone is up, so functions stay in it. */
const version = (name: string, more: object = {}, alias?: string | null) => ({
  codeDigest,
  codeReceipt: receiptOf(codeDigest),
  manifest: { name, placement: { regions: ["eu"] }, ...more },
  ...(alias !== undefined && { alias }),
});
const deploy = async (name: string, more: object = {}, alias?: string | null): Promise<Answer> => {
  const answer = await ask("POST", `/${name}/versions`, version(name, more, alias));
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer;
};
const etagOf = async (path: string): Promise<string> => {
  const tag = (await ask("GET", path)).headers.get("etag") ?? "";
  assert.match(tag, /^"\d+"$/, path);
  return tag;
};
const numberOf = ({ body }: Answer): unknown =>
  (body.version as { readonly version: number }).version;

test("a version is published without moving an alias, or with another one than live", async () => {
  const first = await deploy("publish", {}, null);
  assert.equal(first.body.alias, null);
  const seen = await ask("GET", "/publish");
  assert.deepEqual(seen.body.aliases, {}, "a function without live is shown by its newest version");
  await deploy("publish");
  const canary = await deploy("publish", {}, "canary");
  assert.equal((canary.body.alias as { alias: string }).alias, "canary");
  assert.deepEqual((await ask("GET", "/publish")).body.aliases, { canary: 3, live: 2 });
  const { items } = (await ask("GET", "/publish/versions?limit=2")).body as { items: object[] };
  assert.equal(items.length, 2);
  assert.equal((await ask("GET", "/publish/versions/3")).body.version, 3);
  assertProblem(await ask("GET", "/publish/versions/4"), 404, "MERIDIAN_NOT_FOUND");
  assertProblem(await ask("GET", "/publish/versions/1e3"), 400, "MERIDIAN_BAD_REQUEST");
});

test("an alias tells what it was before, whatever moved it, so that a rollback finds what was live", async () => {
  const former = async () => (await ask("GET", "/former/aliases/live")).body["formerVersion"];
  await deploy("former");
  assert.equal(await former(), undefined);
  await deploy("former", {}, null);
  await deploy("former");
  assert.equal(await former(), 1, "2 was published, and never live");
  await ask("PUT", "/former/aliases/live", { version: 3, additionalVersions: [share(2, 5)] });
  assert.equal(await former(), 1, "shares move nothing");
  await ask("PUT", "/former/aliases/live", { version: 1 });
  assert.equal(await former(), 3);
});

test("PUT says what a function shall be: made once, changed where it differs, left alone where it does not", async () => {
  const body = version("declared", { timeoutMs: 500 });
  const made = await ask("PUT", "/declared", body, { "if-none-match": "*" });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const again = await ask("PUT", "/declared", body);
  assert.deepEqual([again.status, numberOf(again)], [200, 1]);
  assertProblem(
    await ask("PUT", "/declared", body, { "if-none-match": "*" }),
    412,
    "MERIDIAN_PRECONDITION_FAILED",
  );
  const changed = await ask("PUT", "/declared", version("declared", { timeoutMs: 600 }));
  assert.deepEqual([changed.status, numberOf(changed)], [200, 2]);
});

test("whatever changes a function, an alias, a version or a placement honours If-Match", async () => {
  await deploy("tagged");
  await deploy("tagged");
  await ask("PUT", "/tagged/aliases/beta", { version: 1 });
  const stale = await etagOf("/tagged");
  await deploy("tagged");
  const fresh = await etagOf("/tagged");
  assert.notEqual(fresh, stale);
  const placement = { regions: ["eu"], tier: "critical" };
  const changes: [string, string, unknown?][] = [
    ["POST", "/tagged/versions", version("tagged")],
    ["PUT", "/tagged", version("tagged", { timeoutMs: 9 })],
    ["PUT", "/tagged/placement", placement],
    ["PUT", "/tagged/aliases/live", { version: 1 }],
    ["DELETE", "/tagged/aliases/beta"],
    ["DELETE", "/tagged/versions/2"],
    ["POST", "/tagged/aliases/live:rollout", { version: 1 }],
    ["DELETE", "/tagged"],
  ];
  for (const [method, path, body] of changes)
    for (const tag of ['"1"', 'W/"1"', "nonsense"])
      assertProblem(
        await ask(method, path, body, { "if-match": tag }),
        412,
        "MERIDIAN_PRECONDITION_FAILED",
      );
  assertProblem(
    await ask("DELETE", "/tagged", undefined, { "if-match": stale }),
    412,
    "MERIDIAN_PRECONDITION_FAILED",
  );
  assert.equal(await etagOf("/tagged"), fresh, "nothing was changed");

  const alias = await etagOf("/tagged/aliases/beta");
  assert.equal(
    (await ask("DELETE", "/tagged/aliases/beta", undefined, { "if-match": alias })).status,
    204,
  );
  const two = await etagOf("/tagged/versions/2");
  const removed = await ask("DELETE", "/tagged/versions/2", undefined, { "if-match": two });
  assert.equal(removed.status, 204);
  const placed = await ask("PUT", "/tagged/placement", placement, {
    "if-match": await etagOf("/tagged/placement"),
  });
  assert.equal(placed.status, 200, JSON.stringify(placed.body));
  assert.equal(placed.headers.get("etag"), await etagOf("/tagged/placement"));
  const last = await etagOf("/tagged");
  assert.equal((await ask("DELETE", "/tagged", undefined, { "if-match": last })).status, 204);
  assertProblem(
    await ask("PUT", "/tagged", version("tagged"), { "if-none-match": '"1"' }),
    400,
    "MERIDIAN_BAD_REQUEST",
  );
});

test("what an alias, a share or a running rollout points at is not removed, and the answer names who", async () => {
  for (let count = 0; count < 4; count += 1) await deploy("kept");
  const additionalVersions = [{ version: 2, percent: 10 }];
  await ask("PUT", "/kept/aliases/beta", { version: 1, additionalVersions });
  const refusals: [string, RegExp][] = [
    ["/kept/versions/4", /the alias live/],
    ["/kept/versions/1", /the alias beta/],
    ["/kept/versions/2", /the alias beta with 10 %/],
    ["/kept/aliases/live", /the function itself/],
  ];
  for (const [path, who] of refusals)
    assertProblem(await ask("DELETE", path), 409, "MERIDIAN_CONFLICT", who);

  const started = await ask("POST", "/kept/aliases/live:rollout", { version: 3 });
  assert.equal(started.status, 201, JSON.stringify(started.body));
  const { id } = started.body as RolloutRecord;
  assertProblem(await ask("DELETE", "/kept/versions/3"), 409, "MERIDIAN_CONFLICT", new RegExp(id));
  for (const [method, path, body] of [
    ["PUT", "/kept/aliases/live", { version: 1 }],
    ["POST", "/kept/versions", version("kept")],
    ["PUT", "/kept/placement", { regions: [] }],
    ["POST", "/kept/aliases/live:rollout", { version: 1 }],
  ] as const)
    assertProblem(await ask(method, path, body), 409, "MERIDIAN_CONFLICT", new RegExp(id));
  assert.equal((await deploy("kept", {}, null)).status, 201, "a publish touches no alias");

  const cancelled = await ask("POST", "/kept/aliases/live:cancel-rollout", {});
  assert.equal(cancelled.body.state, "cancelled", JSON.stringify(cancelled.body));
  assertProblem(
    await ask("POST", "/kept/aliases/live:cancel-rollout", {}),
    409,
    "MERIDIAN_CONFLICT",
  );
  assert.equal((await ask("DELETE", "/kept/versions/3")).status, 204);
  const { items } = (await ask("GET", "/kept/rollouts")).body as { items: RolloutRecord[] };
  assert.deepEqual(
    items.map((one) => [one.id, one.state]),
    [[id, "cancelled"]],
  );
});

const share = (number: number, percent: number) => ({ version: number, percent });

test("shares that do not make a whole, twice the same or missing versions, too many of them: each its own code", async () => {
  for (let count = 0; count < 2; count += 1) await deploy("weighted");
  const put = (additionalVersions: object[]): Promise<Answer> =>
    ask("PUT", "/weighted/aliases/live", { version: 1, additionalVersions });
  const before = await etagOf("/weighted");
  assertProblem(await put([share(2, 100)]), 400, "MERIDIAN_BAD_REQUEST");
  assertProblem(await put([share(2, 0)]), 400, "MERIDIAN_BAD_REQUEST");
  assertProblem(await put([share(2, 50), share(2, 10)]), 400, "MERIDIAN_WEIGHTS_INVALID");
  assertProblem(await put([share(2, 99), share(3, 1)]), 400, "MERIDIAN_WEIGHTS_INVALID");
  assertProblem(await put([share(3, 1)]), 404, "MERIDIAN_NOT_FOUND", /version 3/);
  assertProblem(
    await put([2, 3, 4, 5, 6].map((number) => share(number, 1))),
    400,
    "MERIDIAN_BAD_REQUEST",
  );
  assert.equal(await etagOf("/weighted"), before, "nothing was applied by half");
  assert.equal((await put([share(2, 99)])).status, 200);
  assertProblem(
    await ask("PUT", "/weighted/placement", { regions: [] }),
    409,
    "MERIDIAN_CONFLICT",
    /share live/,
  );
});

test("a placement changes nothing but the placement, and the same one once more changes nothing", async () => {
  await deploy("placed", { timeoutMs: 700, environment: { A: "1" } });
  const now = await ask("GET", "/placed/placement");
  assert.deepEqual(now.body, { regions: ["eu"], tier: "normal", clustersMin: 1 });
  const placed = await ask("PUT", "/placed/placement", { regions: ["eu-west"], tier: "batch" });
  assert.deepEqual([placed.status, numberOf(placed)], [200, 2]);
  const { manifest } = (await ask("GET", "/placed")).body as {
    manifest: Record<string, unknown>;
  };
  assert.deepEqual([manifest["timeoutMs"], manifest["environment"]], [700, { A: "1" }]);
  assert.deepEqual(manifest["placement"], { regions: ["eu-west"], tier: "batch", clustersMin: 1 });
  const again = await ask("PUT", "/placed/placement", { regions: ["eu-west"], tier: "batch" });
  assert.equal(numberOf(again), 2);
  assertProblem(
    await ask("PUT", "/placed/placement", { regions: ["mars"] }),
    400,
    "MERIDIAN_REGION_UNKNOWN",
  );
  assertProblem(
    await ask("PUT", "/placed/placement", { regions: ["eu", "us"], clustersMin: 3 }),
    400,
    "MERIDIAN_MANIFEST_INVALID",
    /needs 3 clusters or more, and leaves 2 \(regions: eu, us\)/,
  );
  assert.equal((await ask("GET", "/placed")).body.latestVersion, 2, "nothing came of the refused");
});

test("rollouts that cannot be are refused: steps that do not grow, zones there are not, nothing to compare with", async () => {
  await deploy("rolled");
  const start = (body: object, alias = "live") =>
    ask("POST", `/rolled/aliases/${alias}:rollout`, body);
  assertProblem(await start({ version: 1 }), 409, "MERIDIAN_CONFLICT", /already/);
  assertProblem(await start({ version: 9 }), 404, "MERIDIAN_NOT_FOUND");
  await deploy("rolled", {}, null);
  assertProblem(await start({ version: 2 }, "none"), 404, "MERIDIAN_NOT_FOUND", /no alias none/);
  for (const stepPercents of [[50], [50, 25, 100], [25, 25, 100], [100, 100]])
    assertProblem(await start({ version: 2, stepPercents }), 400, "MERIDIAN_WEIGHTS_INVALID");
  for (const stepPercents of [[], [0, 100], [101], [0.5, 100]])
    assertProblem(await start({ version: 2, stepPercents }), 400, "MERIDIAN_BAD_REQUEST");
  assertProblem(await start({ version: 2, zones: ["mars"] }), 400, "MERIDIAN_REGION_UNKNOWN");
  assertProblem(
    await start({ version: 2, zones: ["eu-west", "eu-west"] }),
    400,
    "MERIDIAN_BAD_REQUEST",
  );
  const started = await start({ version: 2, zones: ["ap-south"] });
  assert.deepEqual(started.body.zones, ["ap-south", "eu-west", "us-east"]);
  assert.equal((await ask("DELETE", "/rolled")).status, 204, "a function takes its rollout along");
  await deploy("rolled");
  assert.deepEqual((await ask("GET", "/rolled/rollouts")).body.items, []);
});

test("every change stands in the audit with what it changed", async () => {
  const { items } = (await call(zone, federation.keys.demo, "GET", "/v1/audit?limit=1000"))
    .body as {
    items: { outcome: string; change: ChangeRecord }[];
  };
  const seen = new Set(items.map(({ outcome, change }) => `${outcome} ${change.action}`));
  for (const line of [
    "done functions.deploy",
    "done functions.place",
    "done functions.delete",
    "done versions.delete",
    "refused versions.delete",
    "done aliases.delete",
    "done rollouts.start",
    "done rollouts.cancel",
  ])
    assert.ok(seen.has(line), `${line} in ${[...seen].join(", ")}`);
});

const name = (index: number): string => `f-${String(index).padStart(6, "0")}`;
const path = (functionName: string): string => `${FUNCTIONS}/${functionName}/versions`;

test("a tenant with as many functions as it may have gets no other, and lists them page by page", async () => {
  const crowded = await startZones(["eu-west"]);
  const [only] = crowded.zones;
  assert.ok(only !== undefined);
  const { demo } = crowded.keys;
  await call(only, demo, "PUT", `/v1/tenants/demo/code/${codeDigest}`, archive);
  for (let from = 0; from < FUNCTIONS_MAX; from += 25) {
    const operations = Array.from({ length: 25 }, (_, index) => madeFunction(name(from + index)));
    await crowded.catalog.txn({ compares: [], operations: operations.flat() });
  }
  const refused = await call(only, demo, "POST", path("one-more"), version("one-more"));
  assertProblem(refused, 409, "MERIDIAN_LIMIT_REACHED", /10000 functions/);
  const known = await call(only, demo, "POST", path(name(7)), version(name(7)));
  assert.equal(known.status, 201, JSON.stringify(known.body));
  const page = await call(
    only,
    demo,
    "GET",
    `/v1/tenants/demo/functions?limit=2&cursor=${name(7)}`,
  );
  assert.deepEqual(
    (page.body.items as { name: string }[]).map((one) => one.name),
    [name(8), name(9)],
  );
  assert.equal(page.body.next, name(9));
  await crowded.stop();
});

const put = (key: string, record: object): Operation => ({
  kind: "put",
  key,
  value: JSON.stringify(record),
});

function madeFunction(name: string): Operation[] {
  const manifest = {
    ...version(name).manifest,
    runtime: "node",
    handler: "index.handler",
    memoryMegabytes: 128,
    timeoutMs: 3_000,
    concurrency: 1,
    idempotent: false,
    environment: {},
    placement: { regions: ["eu"], tier: "normal", clustersMin: 1 },
    httpAuth: "key",
    contentType: "text/plain",
  };
  return [
    put(keys.function("demo", name), { tenant: "demo", name, latestVersion: 1, createdAtMs: 1 }),
    put(keys.version("demo", name, 1), {
      tenant: "demo",
      functionName: name,
      version: 1,
      codeDigest,
      codeBytes: archive.length,
      manifest,
      createdAtMs: 1,
    }),
    put(keys.alias("demo", name, "live"), {
      tenant: "demo",
      functionName: name,
      alias: "live",
      version: 1,
      updatedAtMs: 1,
    }),
  ];
}
