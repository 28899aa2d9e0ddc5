import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import { openCatalogDesk } from "../../federator/io/replica/catalog-desk.ts";
import { guardCatalog } from "../../federator/io/replica/guard-catalog.ts";
import { put, reaches, replicaFolder, SILENT, write } from "../io/federator/support/replicas.ts";
import { until } from "../io/federator/support/until.ts";
import { etcdMember, freeLoopbackUrl } from "./etcd-member.ts";
import { findEngine } from "./find-engine.ts";
import { openEtcd } from "./open-etcd-catalog.ts";

const engines = [
  await findEngine("etcd"),
  await findEngine("etcdctl"),
  await findEngine("etcdutl"),
] as const;
const missing = engines.find((engine) => engine.kind === "missing");
const pathOf = (index: 0 | 1 | 2): string => {
  const engine = engines[index];
  assert.ok(engine.kind === "found");
  return engine.path;
};
const run = promisify(execFile);
const PREFIX = "meridian/";

test(
  "an etcd restored from a snapshot strands what came after it, and an operator brings it back",
  { skip: missing?.reason ?? false },
  async (t) => {
    const folder = await replicaFolder();
    after(() => folder.remove());
    const [clientUrl, peerUrl] = await Promise.all([freeLoopbackUrl(), freeLoopbackUrl()]);
    const memberIn = (name: string) =>
      etcdMember({
        program: pathOf(0),
        name: "one",
        clientUrl,
        peerUrl,
        dataFolder: folder.file(name),
        initialCluster: `one=${peerUrl}`,
        flags: [],
      });
    const open = (): Promise<Catalog> => openEtcd(t, [clientUrl], { keyPrefix: PREFIX });

    const first = memberIn("first-life");
    await first.start();
    await first.ready();
    const catalog = await open();
    const before = await folder.open("zone", catalog);
    await write(catalog, put("tenants/demo"), put("functions/demo/old"));
    const snapshot = join(folder.file("snapshot"), "..", "..", "snapshot.db");
    await run(pathOf(1), [`--endpoints=${clientUrl}`, "snapshot", "save", snapshot]);
    await reaches(before, await write(catalog, put("functions/demo/new"), put("leader")));
    await before.close();
    await first.stop();

    await run(pathOf(2), [
      "snapshot",
      "restore",
      snapshot,
      "--data-dir",
      folder.file("second-life"),
      "--name",
      "one",
      "--initial-cluster",
      `one=${peerUrl}`,
      "--initial-advertise-peer-urls",
      peerUrl,
      "--bump-revision",
      "1000000000",
      "--mark-compacted",
    ]);
    const second = memberIn("second-life");
    await second.start();
    await second.ready();
    t.after(() => second.stop());
    const restored = await open();
    const replica = await folder.open("zone", restored);
    await until("it is followed", async () => (replica.cursor()?.revision ?? 0) >= 1_000_000_000);
    assert.equal(replica.refusal(), null);
    assert.deepEqual(
      replica.list("functions/").map(({ key }) => key),
      ["functions/demo/new", "functions/demo/old"],
    );
    assert.equal(replica.stranded().count, 1);
    assert.equal(replica.get("leader"), undefined);

    const desk = openCatalogDesk({
      zone: "eu-west",
      catalog: restored,
      guarded: guardCatalog(restored, replica),
      replica,
      repairs: () => ({ byDigest: 0, byScrub: 0, lastAtMs: null }),
      clock: systemClock,
      log: SILENT,
    });
    const change = {
      action: "catalog.recover",
      actor: "a test",
      requestId: "one",
      tenant: null,
      subject: "zones/eu-west",
      detail: {},
      atMs: 1,
    };
    const { recovered, left } = await desk.recover(change, AbortSignal.timeout(20_000));
    assert.deepEqual({ recovered, left }, { recovered: 1, left: 0 });
    const page = await restored.range({ prefix: "functions/" });
    assert.ok(page.kind === "page");
    assert.equal(page.records.length, 2);
    await replica.close();
  },
);
