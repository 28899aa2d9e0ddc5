import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { cutLink, healLink } from "../engines/kubernetes/cluster-network.ts";
import { type ClusterPlan } from "../engines/kubernetes/cluster-plan.ts";
import { clusterStatus } from "../engines/kubernetes/cluster-status.ts";
import { until } from "../io/federator/support/until.ts";
import { findClusters, IMAGE } from "./clusters-support.ts";

const NAMESPACE = "test-clusters";
const LIMIT_MS = 180_000;

const found = await findClusters();

suite("three real clusters", { skip: found.kind === "missing" ? found.reason : false }, () => {
  assert.ok(found.kind === "found");
  const { clusters, kubectl } = found;
  const inNamespace = (cluster: ClusterPlan, ...argv: string[]): Promise<string> =>
    kubectl(cluster, [`--namespace=${NAMESPACE}`, ...argv]);
  const run = (cluster: ClusterPlan, name: string, script: string): Promise<string> =>
    inNamespace(cluster, "run", name, `--image=${IMAGE}`, "--restart=Never", "--", "-e", script);
  const untilPhase = (cluster: ClusterPlan, name: string, phase: string): Promise<void> =>
    until(
      `${name} in ${cluster.name} is ${phase}`,
      async () =>
        (await inNamespace(cluster, "get", "pod", name, "-o", "jsonpath={.status.phase}")) ===
        phase,
      LIMIT_MS,
    );

  before(async () => {
    for (const cluster of clusters) {
      await kubectl(cluster, ["create", "namespace", NAMESPACE]);
      await until(
        "pods can be made",
        () =>
          inNamespace(cluster, "get", "serviceaccount", "default").then(
            () => true,
            () => false,
          ),
        LIMIT_MS,
      );
    }
  });
  after(async () => {
    for (const cluster of clusters) {
      await healLink(cluster);
      await kubectl(cluster, ["delete", "namespace", NAMESPACE, "--wait=false"]);
    }
  });

  test("each has one node, ready, in the zone of its name", async () => {
    for (const cluster of clusters) {
      const zone = String.raw`{.items[*].metadata.labels.topology\.kubernetes\.io/zone}`;
      const zones = await kubectl(cluster, ["get", "nodes", "-o", `jsonpath=${zone}`]);
      assert.equal(zones, cluster.name);
    }
  });

  test("our image runs in each, as nobody in particular, and its words can be read", async () => {
    await Promise.all(
      clusters.map(async (cluster) => {
        await run(cluster, "once", "console.log(process.version, process.getuid())");
        await untilPhase(cluster, "once", "Succeeded");
        assert.match(await inNamespace(cluster, "logs", "once"), /^v26\.\d+\.\d+ 65532$/m);
      }),
    );
  });

  test("a command runs beside what runs, and Python is there", async () => {
    await Promise.all(
      clusters.map(async (cluster) => {
        await run(cluster, "stays", "setInterval(() => undefined, 1000)");
        await untilPhase(cluster, "stays", "Running");
        const exec = (...argv: string[]) => inNamespace(cluster, "exec", "stays", "--", ...argv);
        assert.match(await exec("node", "--version"), /^v26\./);
        assert.equal(await exec("python3", "-c", "import json, ssl; print(6 * 7)"), "42\n");
      }),
    );
  });

  test("every program of Meridian is in the image, and starts", async () => {
    const [cluster] = clusters;
    assert.ok(cluster !== undefined);
    const exec = (...argv: string[]) =>
      inNamespace(cluster, "exec", "stays", "--", "node", ...argv);
    assert.match(await exec("cli/meridian.ts", "--help"), /Usage: meridian/);
    // Without a configuration each says what is missing.
    for (const program of ["gateway", "federator", "agents"])
      await assert.rejects(exec(`${program}/main.ts`), /zone/);
  });

  test("a cluster that is cut off is not reached, the others are; healed, it goes on", async () => {
    const [cluster, other] = clusters;
    assert.ok(cluster !== undefined && other !== undefined);
    const ask = (asked: ClusterPlan): Promise<string> =>
      kubectl(asked, ["get", "--raw", "/readyz", "--request-timeout=3s"]);
    assert.equal(await ask(cluster), "ok");
    await cutLink(cluster);
    // Twice is once.
    await cutLink(cluster);
    assert.equal((await clusterStatus(cluster)).state, "cut");
    await assert.rejects(ask(cluster));
    assert.equal(await ask(other), "ok");
    await healLink(cluster);
    await healLink(cluster);
    assert.equal(await ask(cluster), "ok");
    assert.match(await inNamespace(cluster, "exec", "stays", "--", "node", "--version"), /^v26\./);
  });

  test("a pod reaches a pod of another cluster, and nothing outside the clusters", async () => {
    const [cluster, other] = clusters;
    assert.ok(cluster !== undefined && other !== undefined);
    const serve = "require('http').createServer((_, answer) => answer.end('here')).listen(8080)";
    await run(other, "serves", serve);
    await untilPhase(other, "serves", "Running");
    const address = await inNamespace(
      other,
      "get",
      "pod",
      "serves",
      "-o",
      "jsonpath={.status.podIP}",
    );
    const fetchText = (url: string): string =>
      `fetch('${url}', { signal: AbortSignal.timeout(5000) }).then((answer) => answer.text())`;
    const evaluate = (script: string): Promise<string> =>
      inNamespace(cluster, "exec", "stays", "--", "node", "-e", script);
    await until(
      "it answers",
      async () =>
        (await evaluate(
          `${fetchText(`http://${address}:8080`)}.then(console.log, () => undefined)`,
        )) === "here\n",
      LIMIT_MS,
    );
    // An address for documentation, which nobody has.
    const outside = `${fetchText("http://203.0.113.7")}.catch((error) => console.log(error.cause.code))`;
    assert.match(await evaluate(outside), /ENETUNREACH|EHOSTUNREACH/);
  });
});
