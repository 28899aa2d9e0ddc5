import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { networkPolicy } from "../../../../agents/core/kubernetes/network-policy.ts";
import { podManifest, type PodSettings } from "../../../../agents/core/kubernetes/pod-manifest.ts";
import { labelValue, podName } from "../../../../agents/core/kubernetes/pod-name.ts";

const LABEL_OF_DNS = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const LABEL_VALUE = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const NAMED = {
  zone: "eu-west",
  tenant: "demo",
  functionName: "hello",
  version: 3,
  instance: "a-1",
};
const OWNER = { name: "lease", uid: "u-1" };

const SETTINGS: PodSettings = {
  namespace: "functions",
  agent: "eu-west",
  image: "image",
  imagePullPolicy: "IfNotPresent",
  imagePullSecrets: [],
  command: ["node", "main.mjs"],
  runtimeClassName: "kata",
  ephemeralMegabytes: 512,
  labels: { team: "a" },
  nodeSelector: {},
  tolerations: [],
  priorityClassNames: { critical: "high" },
  environment: { MERIDIAN_AGENT: "agent:7443" },
  owner: OWNER,
};
const PLAN = {
  name: "pod",
  token: "t",
  runtime: "node",
  memoryMegabytes: 128,
  tier: undefined,
  of: { tenant: "demo", functionName: "hello", version: 3, network: "none" },
} as const;

test("a name is a DNS label, the same for the same instance and another for another", () => {
  assert.match(podName(NAMED), /^eu-west-hello-v3-[0-9a-f]{12}$/);
  const text = fc.string({ maxLength: 300 });
  fc.assert(
    fc.property(
      text,
      text,
      text,
      text,
      fc.nat(),
      (zone, tenant, functionName, instance, version) => {
        const named = { zone, tenant, functionName, instance, version };
        assert.match(podName(named), LABEL_OF_DNS);
        assert.equal(podName(named), podName({ ...named }));
        assert.notEqual(podName(named), podName({ ...named, instance: `${instance}+` }));
      },
    ),
  );
});

test("whatever a tenant is called, its label is valid, and tells it from others", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (tenant) => {
      assert.match(labelValue(tenant), LABEL_VALUE);
      assert.notEqual(labelValue(tenant), labelValue(`${tenant}x`));
    }),
  );
});

test("a pod is within what Pod Security calls restricted", () => {
  const { spec } = podManifest(SETTINGS, PLAN);
  assert.equal(spec.securityContext.runAsNonRoot, true);
  assert.deepEqual(spec.securityContext.seccompProfile, { type: "RuntimeDefault" });
  assert.equal(spec.automountServiceAccountToken, false);
  for (const { securityContext } of spec.containers) {
    assert.equal(securityContext.allowPrivilegeEscalation, false);
    assert.equal(securityContext.readOnlyRootFilesystem, true);
    assert.deepEqual(securityContext.capabilities, { drop: ["ALL"] });
  }
});

test("memory is bounded, and buys a share of a processor", () => {
  const [container] = podManifest(SETTINGS, { ...PLAN, memoryMegabytes: 1_769 }).spec.containers;
  assert.equal(container?.resources.requests.cpu, "1000m");
  assert.equal(container?.resources.limits.memory, container?.resources.requests.memory);
});

test("a tier has its priority class where one is configured", () => {
  const classOf = (tier: string | undefined) =>
    podManifest(SETTINGS, { ...PLAN, tier }).spec.priorityClassName;
  assert.deepEqual(
    [classOf("critical"), classOf("batch"), classOf(undefined)],
    ["high", undefined, undefined],
  );
});

test("an operator's labels do not replace those that the agent finds its pods by", () => {
  const labels = { "meridian.dev/agent": "another", team: "a" };
  const { metadata } = podManifest({ ...SETTINGS, labels }, PLAN);
  assert.equal(metadata.labels["meridian.dev/agent"], "eu-west");
});

test("all that is made goes with the agent's lease", () => {
  const policy = networkPolicy(
    { namespace: "f", agent: "eu-west", linkPort: 7_443, owner: OWNER },
    "demo",
    "none",
  );
  for (const { metadata } of [podManifest(SETTINGS, PLAN), policy])
    assert.equal(metadata.ownerReferences[0]?.uid, "u-1");
});

test("without a network a pod reaches its agent and names, and nobody reaches any pod", () => {
  const place = { namespace: "f", agent: "eu-west", linkPort: 7_443, owner: OWNER };
  const policies = (["none", "outbound", "pool"] as const).map((network) =>
    networkPolicy(place, network === "pool" ? undefined : "demo", network),
  );
  for (const { spec } of policies) {
    assert.deepEqual(spec.policyTypes, ["Ingress", "Egress"]);
    assert.deepEqual(spec.ingress, []);
  }
  assert.deepEqual(
    policies.map(({ spec }) => spec.egress.length),
    [2, 3, 2],
  );
  assert.equal(new Set(policies.map(({ metadata }) => metadata.name)).size, 3);
});
