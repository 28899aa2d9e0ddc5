import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import type { ObservedPod } from "#lib/contracts/observed-pod.ts";
import { ClusterRefusal } from "../../../../agents/drivers/kubernetes/cluster-refusal.ts";
import { followPods } from "../../../../agents/drivers/kubernetes/follow-pods.ts";
import type { Cluster } from "../../../../agents/drivers/kubernetes/open-cluster.ts";
import type { PodEvent, WatchEnd } from "../../../../agents/drivers/kubernetes/watch-pods.ts";

const pod = (name: string): ObservedPod => ({ metadata: { name, uid: name } });
const seen = (name: string): PodEvent => ({ kind: "pod", pod: pod(name) });
const refused = () =>
  new ClusterRefusal({ status: 0, message: "the apiserver is away" }, undefined);

/** What the cluster answers to each list and watch in turn; after the last one it is left alone. */
type Answer =
  | { readonly list: readonly string[]; readonly version: string }
  | { readonly watch: readonly PodEvent[]; readonly end: WatchEnd }
  | "refused";

/** What was asked, and what was told, in order. */
async function follow(answers: readonly Answer[]): Promise<readonly string[]> {
  const said: string[] = [];
  const stopping = new AbortController();
  let asked = 0;
  const next = (): Answer => {
    const answer = answers[asked];
    asked += 1;
    if (answer !== undefined && answer !== "refused") return answer;
    if (answer === undefined) stopping.abort();
    throw refused();
  };
  const cluster: Pick<Cluster, "listPods" | "watchPods"> = {
    listPods: async () => {
      said.push("list");
      const answer = next();
      assert.ok(answer !== "refused" && "list" in answer);
      return { pods: answer.list.map(pod), resourceVersion: answer.version };
    },
    watchPods: async (from, onEvent) => {
      said.push(`watch ${from}`);
      const answer = next();
      assert.ok(answer !== "refused" && "watch" in answer);
      for (const event of answer.watch) onEvent(event);
      return answer.end;
    },
  };
  const clock = { nowMs: () => 0, wallMs: () => 0, sleep: () => Promise.resolve() };
  await followPods(
    cluster,
    {
      onPod: ({ metadata }) => said.push(`+${metadata.name}`),
      onGone: (name) => said.push(`-${name}`),
    },
    { clock, random: { next: () => 0 }, log: pino({ level: "silent" }) },
    stopping.signal,
  );
  return said;
}

const resume = (resourceVersion: string): WatchEnd => ({ kind: "resume", resourceVersion });
const EXPIRED: WatchEnd = { kind: "expired" };

test("a watch goes on where the one before it ended", async () => {
  const said = await follow([
    { list: ["a"], version: "1" },
    { watch: [seen("b")], end: resume("5") },
    { watch: [{ kind: "gone", name: "a" }], end: resume("9") },
  ]);
  assert.deepEqual(said, ["list", "+a", "watch 1", "+b", "watch 5", "-a", "watch 9"]);
});

test("what the cluster has forgotten is listed anew, and who went meanwhile is told of", async () => {
  const said = await follow([
    { list: ["a", "b"], version: "1" },
    { watch: [seen("c")], end: EXPIRED },
    { list: ["b"], version: "20" },
    { watch: [], end: resume("20") },
  ]);
  assert.deepEqual(said.slice(5), ["list", "-a", "-c", "+b", "watch 20", "watch 20"]);
});

test("an apiserver that is away is asked again, from where the watch was", async () => {
  const said = await follow([
    "refused",
    { list: ["a"], version: "1" },
    "refused",
    { watch: [seen("b")], end: resume("2") },
  ]);
  assert.deepEqual(said, ["list", "list", "+a", "watch 1", "watch 1", "+b", "watch 2"]);
});
