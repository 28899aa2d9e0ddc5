import assert from "node:assert/strict";
import { after, before as beforeAll, test } from "node:test";
import type { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Operation } from "#lib/ports/catalog.ts";
import {
  lastKnownRevision,
  lastKnownVersion,
} from "../../../../federator/io/functions/known-numbers.ts";
import { recoverCatalog } from "../../../../federator/io/replica/recover-catalog.ts";
import {
  namedCatalog,
  put,
  reaches,
  type ReplicaFolder,
  replicaFolder,
  SILENT,
  write,
} from "../support/replicas.ts";
import { until } from "../support/until.ts";

let folder: ReplicaFolder;
beforeAll(async () => {
  folder = await replicaFolder();
});
after(() => folder.remove());

const CHANGE: ChangeRecord = {
  action: "catalog.recover",
  actor: "a test",
  requestId: "one",
  tenant: null,
  subject: "zones/eu-west",
  detail: {},
  atMs: 1,
};
const deployed = (name: string, version: Operation) => [
  put(`functions/demo/${name}`),
  version,
  put(`aliases/demo/${name}/live`),
];

test("a version stays stranded whose secret's number names another value by now, and numbers go on beyond it", async () => {
  const version = (name: string, number: number, secretRevisions: object) =>
    put(
      `versions/demo/${name}/000000000${number}`,
      JSON.stringify({
        tenant: "demo",
        functionName: name,
        version: number,
        codeDigest: "a".repeat(64),
        codeBytes: 1,
        manifest: { name, placement: { regions: [] }, environment: {} },
        secretRevisions,
        createdAtMs: 1,
      }),
    );
  const secret = (name: string, value: string) => [
    put(`secret-names/demo/${name}`, JSON.stringify({ value })),
    put(`secrets/demo/${name}/0000000001`, JSON.stringify({ value })),
  ];
  const lost = await namedCatalog();
  const before = await folder.open("secrets", lost);
  await write(lost, put("tenants/demo"));
  await write(lost, ...secret("again", "A"), ...secret("once", "A"));
  await write(lost, ...deployed("uses-again", version("uses-again", 1, { again: 1 })));
  await reaches(
    before,
    await write(lost, ...deployed("uses-once", version("uses-once", 4, { once: 1 }))),
  );
  await before.close();

  const restored = await namedCatalog();
  await write(restored, put("tenants/demo"), put("leader", "after"));
  const replica = await folder.open("secrets", restored);
  await until("it is followed", async () => replica.get("leader")?.value === "after");
  await reaches(replica, await write(restored, ...secret("again", "B")));
  assert.equal(lastKnownVersion(replica, "demo", "uses-once"), 4);
  assert.equal(lastKnownRevision(replica, "demo", "once"), 1);

  const recovery = await recoverCatalog(
    { catalog: restored, replica, clock: systemClock, log: SILENT, zone: "eu-west" },
    CHANGE,
    AbortSignal.timeout(20_000),
  );
  const page = await restored.range({ prefix: "" });
  assert.ok(page.kind === "page");
  const keysNow = page.records.map(({ key }) => key);
  assert.ok(keysNow.includes("versions/demo/uses-once/0000000004"));
  assert.ok(!keysNow.some((key) => key.includes("uses-again")));
  assert.deepEqual(recovery.leftKeys, [
    "aliases/demo/uses-again/live",
    "functions/demo/uses-again",
    "secret-names/demo/again",
    "secrets/demo/again/0000000001",
    "versions/demo/uses-again/0000000001",
  ]);
  assert.ok(replica.strandedCount().served > 0, "so that nothing is changed until it is discarded");
  await replica.close();
});
