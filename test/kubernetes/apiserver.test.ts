import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { findEngine } from "../engines/find-engine.ts";
import { type ApiserverAnswer, askApiserver } from "../engines/kubernetes/ask-apiserver.ts";
import {
  type RunningApiserver,
  startApiserver,
  startScheduler,
} from "../engines/kubernetes/start-apiserver.ts";
import { startKwok } from "../engines/kubernetes/start-kwok.ts";
import { until } from "../io/federator/support/until.ts";

const LIMIT_MS = 240_000;
const NODES = 5;
const PODS = 100;

const engines = await Promise.all(
  (["etcd", "kube-apiserver", "kube-scheduler", "kwok"] as const).map((name) => findEngine(name)),
);
const missing = engines.find((engine) => engine.kind === "missing");

suite("an apiserver alone", { skip: missing?.reason ?? false }, () => {
  const [etcd, server, scheduler, kwok] = engines.map((engine) =>
    engine.kind === "found" ? engine.path : "",
  );
  assert.ok(etcd && server && scheduler && kwok);
  let running: RunningApiserver;
  const ask = (path: string): Promise<ApiserverAnswer> => askApiserver(running.access, path);
  const make = (path: string, body: object): Promise<ApiserverAnswer> =>
    askApiserver(running.access, path, { method: "POST", body });
  const pods = "/api/v1/namespaces/default/pods";

  before(async () => {
    running = await startApiserver({ etcd, "kube-apiserver": server });
  });
  after(() => running.stop());

  test("what it was given is there after it was killed and started again", async () => {
    const maps = "/api/v1/namespaces/default/configmaps";
    assert.equal((await make(maps, { metadata: { name: "kept" } })).status, 201);
    running.apiserver.signal("SIGKILL");
    await assert.rejects(ask(maps));
    await running.apiserver.restart();
    assert.equal((await ask(`${maps}/kept`)).status, 200);
  });

  test("who is not known is refused, and who is nobody may do nothing", async () => {
    const unknown = { ...running.access, token: "wrong" };
    assert.equal((await askApiserver(unknown, pods)).status, 401);
    const { status, body } = await make("/apis/authorization.k8s.io/v1/subjectaccessreviews", {
      spec: { user: "nobody", resourceAttributes: { verb: "list", resource: "pods" } },
    });
    assert.equal(status, 201);
    assert.match(body, /"allowed":false/);
  });

  test(`${PODS} pods seem to run on nodes that kwok plays`, async () => {
    const played = await startKwok(kwok, running, NODES);
    const scheduling = await startScheduler(scheduler, running.kubeconfig);
    try {
      for (let position = 0; position < PODS; position += 1)
        assert.equal((await make(pods, playedPod(`pod-${position}`))).status, 201);
      const countRunning = async (): Promise<number> =>
        ((await ask(pods)).body.match(/"phase":"Running"/g) ?? []).length;
      await until("all run", async () => (await countRunning()) === PODS, LIMIT_MS);
    } finally {
      await Promise.all([scheduling.stop(), played.stop()]);
    }
  });
});

const playedPod = (name: string): object => ({
  metadata: { name },
  spec: {
    containers: [{ name: "played", image: "played" }],
    tolerations: [{ key: "kwok.x-k8s.io/node", operator: "Exists" }],
  },
});
