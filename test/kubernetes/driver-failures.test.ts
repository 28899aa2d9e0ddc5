import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { before, test } from "node:test";
import type { Instance, InstanceDriver, InstanceSpec } from "../../agents/drivers/driver.ts";
import { startAgentProcess } from "../io/agents/support/agent-process.ts";
import { eventually } from "../io/agents/support/agent-world.ts";
import {
  administrator,
  kubernetesConfig,
  NAMESPACE,
  noCluster,
  openKubernetesDriver,
  prepareNamespace,
} from "./driver-cluster.ts";

const skip = noCluster ?? false;
const SPEC: InstanceSpec = {
  tenant: "demo",
  functionName: "contract",
  version: 1,
  runtime: "node",
  handler: "contract.echoes",
  codeDirectory: join(import.meta.dirname, "../contract/functions"),
  memoryMegabytes: 128,
  concurrency: 1,
  environment: { SECRET: "not for the cluster" },
  initTimeoutMs: 10_000,
  identity: "one",
};

if (noCluster === undefined) before(prepareNamespace);

const start = (driver: InstanceDriver, changes: Partial<InstanceSpec> = {}): Instance =>
  driver.start({ ...SPEC, ...changes }, () => undefined);

const call = (instance: Instance, event: unknown = {}) =>
  instance.invoke(
    {
      requestId: "r-1",
      deadlineMs: 10_000,
      tenant: "demo",
      functionName: "contract",
      functionVersion: "1",
      memoryMegabytes: 128,
    },
    { kind: "event", json: Buffer.from(JSON.stringify(event)) },
  );

const pod = (name: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: NAMESPACE },
});

const isGone = (name: string): Promise<boolean> =>
  administrator()
    .read(pod(name))
    .then(
      () => false,
      () => true,
    );

test(
  "a pod is what its manifest says, and nothing of the function's environment is in it",
  { skip },
  async (t) => {
    const driver = await openKubernetesDriver(t, { zone: "manifest" });
    const instance = start(driver);
    assert.equal((await instance.started).kind, "ready");
    const seen = JSON.stringify(await administrator().read(pod(instance.id)));
    assert.ok(!seen.includes("not for the cluster"));
    assert.match(seen, /"runtimeClassName":"kata"/);
    assert.match(seen, /"automountServiceAccountToken":false/);
  },
);

test("what a cluster refuses is the reason of the start", { skip }, async (t) => {
  const cases = [
    { changes: { runtimeClassName: "none-such" }, reason: /lacks the runtime class/ },
    { changes: { namespace: "none-such" }, reason: /does not have it: .*none-such/ },
    {
      changes: { priorityClassNames: { normal: "none-such" } },
      reason: /lacks the priority class/,
    },
    { changes: { image: "none.such/image:1" }, reason: /container cannot be made/ },
    { changes: { nodeSelector: { "none/such": "1" } }, reason: /no node has room/ },
    { changes: { command: ["/none/such"] }, reason: /container ended by itself/ },
  ];
  for (const { changes, reason } of cases) {
    const isNamespace = "namespace" in changes;
    const opening = openKubernetesDriver(
      t,
      { zone: "refusals" },
      { ...changes, podStartTimeoutMs: 8_000 },
    );
    if (isNamespace) {
      await assert.rejects(opening, reason);
      continue;
    }
    const driver = await opening;
    const started = await start(driver).started;
    assert.equal(started.kind, "not-started", JSON.stringify(started));
    assert.match(started.reason, reason);
    await driver.close();
  }
});

test("a used-up quota is the reason of the start", { skip }, async (t) => {
  const driver = await openKubernetesDriver(t, { zone: "quota" });
  const quota = {
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: { name: "no-pods", namespace: NAMESPACE },
    spec: { hard: { pods: "0" } },
  };
  await administrator().create(quota);
  t.after(() => administrator().delete(quota));
  let reason = "";
  await eventually(async () => {
    const started = await start(driver).started;
    reason = started.kind === "not-started" ? started.reason : "";
    return reason !== "";
  });
  assert.match(reason, /quota is used up/);
});

test("a function that takes more memory than it has is out of memory", { skip }, async (t) => {
  const driver = await openKubernetesDriver(t, { zone: "memory" });
  const instance = start(driver, {
    handler: "canary.handler",
    codeDirectory: join(import.meta.dirname, "../../agents/drivers/sandbox/canary"),
  });
  assert.equal((await instance.started).kind, "ready");
  const { outcome } = call(instance, { act: "exceed-memory", megabytes: 600 });
  assert.deepEqual(await outcome, { kind: "ended", end: { kind: "out-of-memory" } });
});

test(
  "a pod that somebody deletes finishes its call, takes no more, and is gone",
  { skip },
  async (t) => {
    const driver = await openKubernetesDriver(t, { zone: "deleted" });
    const instance = start(driver, { handler: "contract.sleepsEventMs" });
    assert.equal((await instance.started).kind, "ready");
    const running = call(instance, { ms: 3_000 });
    await administrator().delete(pod(instance.id));
    await eventually(async () => (await call(instance, { ms: 0 }).outcome).kind === "not-begun");
    assert.equal((await running.outcome).kind, "result");
    await instance.ended;
    await eventually(() => isGone(instance.id));
  },
);

test(
  "an agent that is killed has its instance taken over by the next one, with the call that runs",
  { skip },
  async (t) => {
    const kubernetes = await kubernetesConfig();
    const placed = [{ name: "saysWho", manifest: { timeoutMs: 30_000 } }];
    const first = await startAgentProcess(t, placed, { driver: "kubernetes", kubernetes });
    const before = await first.invoke("saysWho", { json: {} });
    assert.equal(before.status, 200, before.text);
    const exited = once(first.child, "exit");
    first.child.kill("SIGKILL");
    await exited;
    const second = await startAgentProcess(t, [], {}, first.config);
    const after = await second.invoke("saysWho", { json: {} });
    assert.equal(after.json()["instance"], before.json()["instance"]);
  },
);

test("of two agents one acts: another holder waits, the same one replaces", { skip }, async (t) => {
  const zone = "lease";
  const replaced = Promise.withResolvers<void>();
  const first = await openKubernetesDriver(
    t,
    { zone, onReplaced: replaced.resolve },
    { leaseDurationMs: 2_000 },
  );
  let isOpen = false;
  const waiting = openKubernetesDriver(t, { zone, holder: "another" }, { leaseDurationMs: 2_000 });
  void waiting.then(() => {
    isOpen = true;
  });
  const again = await openKubernetesDriver(t, { zone }, { leaseDurationMs: 2_000 });
  await replaced.promise;
  assert.equal(isOpen, false);
  await again.close();
  await waiting;
  await first.close();
});

test("pods that nobody knows are removed", { skip }, async (t) => {
  const zone = "strangers";
  await openKubernetesDriver(t, { zone });
  const stranger = {
    ...pod("stranger"),
    metadata: { ...pod("stranger").metadata, labels: { "meridian.dev/agent": zone } },
    spec: { containers: [{ name: "any", image: "any", securityContext: RESTRICTED }] },
  };
  await administrator().create(stranger);
  await eventually(() => isGone("stranger"));
});

test("a pod of the pool becomes an instance, and is replaced", { skip }, async (t) => {
  const driver = await openKubernetesDriver(t, { zone: "pool" }, { warmPodsMax: 2 });
  await eventually(async () => {
    const instance = start(driver);
    const started = await instance.started;
    instance.kill();
    await instance.ended;
    return started.kind === "ready" && started.isPooled === true;
  });
});

const RESTRICTED = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};
