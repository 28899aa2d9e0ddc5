import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { TLSSocket } from "node:tls";
import { pino } from "pino";
import { POD_FRAME_KIND, type PodHello } from "#lib/contracts/pod-frames.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { podManifest } from "../../../../agents/core/kubernetes/pod-manifest.ts";
import type { AgentIdentity } from "../../../../agents/drivers/kubernetes/agent-identity.ts";
import { ClusterRefusal } from "../../../../agents/drivers/kubernetes/cluster-refusal.ts";
import type { Cluster } from "../../../../agents/drivers/kubernetes/open-cluster.ts";
import { openPods, type PodListener } from "../../../../agents/drivers/kubernetes/pods.ts";
import { eventually } from "../support/agent-world.ts";

const SIGNED = (kind: string, words: string): string =>
  createHmac("sha256", "key").update(`${kind} ${words}`).digest("hex");
const identity: AgentIdentity = {
  certificate: "",
  privateKey: "",
  sign: SIGNED,
  isSigned: (kind, words, signature) => SIGNED(kind, words) === signature,
};
const manifest = podManifest(
  {
    namespace: "f",
    agent: "a",
    image: "i",
    imagePullPolicy: "Never",
    imagePullSecrets: [],
    command: ["node"],
    runtimeClassName: undefined,
    ephemeralMegabytes: 1,
    labels: {},
    nodeSelector: {},
    tolerations: [],
    priorityClassNames: {},
    environment: {},
    owner: { name: "l", uid: "u" },
  },
  { name: "p", token: "", runtime: "node", memoryMegabytes: 1, tier: undefined, of: undefined },
);

/** One pod, what the cluster was asked, and what its listener was told. */
function world(apply: () => Promise<void> = () => Promise.resolve()) {
  const asked: string[] = [];
  const told: string[] = [];
  const never = (): never => assert.fail("nobody asks for this");
  const cluster: Cluster = {
    apply: async ({ metadata }) => {
      asked.push(`apply ${metadata.name}`);
      await apply();
    },
    removePod: async (name) => void asked.push(`remove ${name}`),
    listPods: never,
    watchPods: never,
    readLease: never,
    writeLease: never,
    readSecret: never,
    createSecret: never,
  };
  const pods = openPods({
    agent: "a",
    cluster,
    identity,
    clock: systemClock,
    log: pino({ level: "silent" }),
    onCalls: () => () => undefined,
  });
  const listener: PodListener = {
    onLink: () => told.push("link"),
    onReport: ({ kind }) => told.push(kind),
    onLeaving: () => told.push("leaving"),
    onGone: (outcome) =>
      told.push(outcome.kind === "lost" ? `lost: ${outcome.reason}` : `ended: ${outcome.end.kind}`),
  };
  const pod = pods.create(manifest, () => Promise.resolve(), listener);
  const hello = (word: string, link: PodHello["link"] = "control") => {
    const socket = new TLSSocket(new PassThrough());
    return { socket, receive: pods.onHello({ pod: "p", word, link }, socket) };
  };
  return { asked, told, pods, pod, hello };
}

const observed = (status: object, deletionTimestamp?: string) => ({
  metadata: { name: "p", uid: "u", ...(deletionTimestamp !== undefined && { deletionTimestamp }) },
  status,
});
const TOKEN = SIGNED("token", "p");
const PASS = SIGNED("pass", "p");

test("a pod is let in by its own word alone, and once", () => {
  const { hello, told } = world();
  assert.equal(hello("guessed").receive, undefined);
  assert.equal(hello(SIGNED("token", "another")).receive, undefined);
  assert.equal(hello(PASS, "calls").receive, undefined, "calls before control");
  const { socket, receive } = hello(TOKEN);
  assert.ok(receive !== undefined);
  assert.equal(hello(TOKEN).receive, undefined, "the token a second time");
  assert.equal(hello(PASS).receive, undefined, "a second connection");
  assert.equal(hello(TOKEN, "calls").receive, undefined, "the token is not for calls");
  assert.ok(hello(PASS, "calls").receive !== undefined);
  assert.deepEqual(told, ["link"]);
  socket.destroy();
});

test("a report that is none ends nobody but its sender", () => {
  const { hello, told } = world();
  const { socket, receive } = hello(TOKEN);
  const frame = (payload: string) => ({
    kind: POD_FRAME_KIND.report,
    callId: 0,
    payload: Buffer.from(payload),
  });
  assert.throws(() => receive?.(frame("no JSON")));
  assert.throws(() => receive?.(frame('{"kind":"exited","code":"7"}')));
  receive?.(frame('{"kind":"exited","code":7,"signal":null,"isOutOfMemory":false}'));
  assert.deepEqual(told, ["link", "ended: exit"]);
  socket.destroy();
});

test("one that is ended before it came is removed, also where it is only made afterwards", async () => {
  const made = Promise.withResolvers<void>();
  const { asked, told, pod } = world(() => made.promise);
  await eventually(() => asked.length === 1);
  pod.end();
  await eventually(() => asked.length === 2);
  made.resolve();
  await eventually(() => asked.length === 3);
  assert.deepEqual(asked, ["apply p", "remove p", "remove p"]);
  assert.deepEqual(told, ["lost: it was ended before it was ready"]);
});

test("what the cluster refuses is told with its words, and not tried again", async () => {
  const refusal = { status: 403, message: "exceeded quota: pods" };
  const { asked, told } = world(() => Promise.reject(new ClusterRefusal(refusal, undefined)));
  await eventually(() => told.length === 1);
  assert.match(told[0] ?? "", /^lost: the namespace's quota is used up/);
  assert.equal(asked.filter((request) => request === "apply p").length, 1);
});

test("one that the cluster wants gone may finish what it does; one that has not begun is lost", () => {
  const begun = world();
  const { socket } = begun.hello(TOKEN);
  begun.pods.onObserved(observed({ phase: "Running" }, "2026-11-22T06:00:00Z"));
  assert.deepEqual(begun.told, ["link", "leaving"]);
  socket.destroy();
  begun.pods.onRemoved("p");
  assert.deepEqual(begun.told, ["link", "leaving", "lost: its pod was deleted"]);
  const other = world();
  other.pods.onObserved(observed({}, "2026-11-22T06:00:00Z"));
  assert.deepEqual(other.told, ["lost: its pod was deleted while it started"]);
});

test("a pod that nobody knows is told apart from one that is on its way out", () => {
  const { pods } = world();
  const stranger = { metadata: { name: "s", uid: "u" }, status: {} };
  assert.equal(pods.onObserved(stranger), false);
  const leaving = { ...stranger, metadata: { ...stranger.metadata, deletionTimestamp: "now" } };
  assert.equal(pods.onObserved(leaving), true);
});
