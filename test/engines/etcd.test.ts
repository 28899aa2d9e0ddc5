import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { findEngine } from "./find-engine.ts";
import { startEtcd } from "./start-etcd.ts";

const [server, control] = [await findEngine("etcd"), await findEngine("etcdctl")];
const missing = [server, control].find((engine) => engine.kind === "missing");

test(
  "a real etcd keeps what it was given, and stopping it leaves nothing behind",
  { skip: missing?.reason ?? false },
  async () => {
    assert.ok(server.kind === "found" && control.kind === "found");
    const etcd = await startEtcd(server.path);
    const controlEtcd = async (...argv: string[]): Promise<string> => {
      const endpoints = `--endpoints=${etcd.endpoint}`;
      const { stdout } = await promisify(execFile)(control.path, [endpoints, ...argv]);
      return stdout.trim();
    };
    try {
      assert.equal(await controlEtcd("put", "functions/demo/hello", "first"), "OK");
      assert.equal(await controlEtcd("put", "functions/demo/hello", "second"), "OK");
      const read = await controlEtcd("get", "functions/demo/hello", "--print-value-only");
      assert.equal(read, "second");
    } finally {
      await etcd.stop();
    }
    assert.throws(() => process.kill(etcd.pid, 0), { code: "ESRCH" });
    await assert.rejects(readdir(etcd.folder), { code: "ENOENT" });
  },
);
