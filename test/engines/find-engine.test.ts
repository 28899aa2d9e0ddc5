import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { findEngine } from "./find-engine.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "meridian-engines-"));
  const old = join(folder, "etcdctl");
  await writeFile(old, "#!/bin/sh\necho 'etcdctl version: 3.4.23'\n");
  await chmod(old, 0o755);
});
after(() => rm(folder, { recursive: true }));

test("a missing engine is told with the command that builds it", async () => {
  const found = await findEngine("etcd", { folder, environment: {} });
  assert.deepEqual(found, {
    kind: "missing",
    reason: "etcd is not there; build it with `npm run engines`",
  });
});

test("one of Kubernetes is told with what the command has to be told", async () => {
  const found = await findEngine("kube-apiserver", { folder, environment: {} });
  assert.match(found.kind === "missing" ? found.reason : "", /`npm run engines -- kubernetes`/);
});

test("an engine of another version is not used", async () => {
  const found = await findEngine("etcdctl", { folder, environment: {} });
  assert.equal(found.kind, "missing");
  assert.match(found.kind === "missing" ? found.reason : "", /is 3\.4\.23, not \d/);
});

test("a variable names an engine elsewhere, and its version is checked too", async () => {
  const environment = { MERIDIAN_ETCD: join(folder, "etcdctl") };
  const found = await findEngine("etcd", { folder: "/nowhere", environment });
  assert.match(found.kind === "missing" ? found.reason : "", /not \d/);
});

test("where engines are required, a missing one is a failure", async () => {
  const environment = { MERIDIAN_ENGINES: "required" };
  await assert.rejects(findEngine("etcd", { folder, environment }), /MERIDIAN_ENGINES=required/);
});

test("each engine says its version in its own words, and a variable may name it", async () => {
  const printed = [
    ["versitygw", "Version  : v0.0.1\nBuild    : norev"],
    ["consul", "Consul v0.0.1\nBuild Date 1970-01-01"],
    ["etcdutl", "etcdutl version: 0.0.1"],
    ["kube-apiserver", "Kubernetes v0.0.1"],
    ["kubectl", "Client Version: v0.0.1\nKustomize Version: v5.8.1"],
    ["kwok", "kwok version v0.0.1 go1.26.8 (linux/amd64)"],
    ["helm", "v0.0.1+g1234567"],
  ] as const;
  for (const [program, words] of printed) {
    const path = join(folder, `elsewhere-${program}`);
    await writeFile(path, `#!/bin/sh\nprintf '${words.replaceAll("\n", "\\n")}\\n'\n`);
    await chmod(path, 0o755);
    const variable = `MERIDIAN_${program.toUpperCase().replace("-", "_")}`;
    const environment = { [variable]: path };
    const found = await findEngine(program, { folder, environment });
    assert.equal(found.kind, "missing");
    assert.match(found.kind === "missing" ? found.reason : "", /is 0\.0\.1, not \d+\.\d+\.\d+; /);
  }
});
