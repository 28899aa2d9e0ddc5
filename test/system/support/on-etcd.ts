import { test } from "node:test";
import { findEngine } from "../../engines/find-engine.ts";

/** Runs a system test file on a federation whose catalog is an etcd with a member in each zone; skipped where there is no etcd. */
export async function runOnEtcd(file: URL): Promise<void> {
  const etcd = await findEngine("etcd");
  if (etcd.kind === "missing") {
    test("on etcd", { skip: etcd.reason }, () => undefined);
    return;
  }
  process.env["MERIDIAN_SYSTEM_CATALOG"] = "etcd";
  process.env["MERIDIAN_ETCD"] = etcd.path;
  await import(file.href);
}
