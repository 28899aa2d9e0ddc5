import { strict as assert } from "node:assert";
import { after, before } from "node:test";
import { findEngine } from "../engines/find-engine.ts";
import { openEtcd } from "../engines/open-etcd-catalog.ts";
import { type RunningEtcd, startEtcd } from "../engines/start-etcd.ts";
import { catalogContract } from "./catalog.contract.ts";

const engine = await findEngine("etcd");
let etcd: RunningEtcd | undefined;
before(async () => {
  if (engine.kind === "found") etcd = await startEtcd(engine.path);
});
after(async () => await etcd?.stop());

catalogContract(
  "etcd catalog",
  async (t) => {
    assert(etcd !== undefined, "it was started before the first case");
    return await openEtcd(t, [etcd.endpoint]);
  },
  engine.kind === "missing" && engine.reason,
);
