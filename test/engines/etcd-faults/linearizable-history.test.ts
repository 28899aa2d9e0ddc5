import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { until } from "../../contract/catalog/support.ts";
import { seededRandom } from "../../simulation/engine/seeded-random.ts";
import { startFaultProxy } from "../../support/fault-proxy.ts";
import {
  assertLinearizable,
  describeHistory,
  recordHistory,
} from "../../support/register-history.ts";
import { openEtcd } from "../open-etcd-catalog.ts";
import { startEtcdCluster } from "../start-etcd-cluster.ts";
import { etcdProgram, needsEtcd } from "./support.ts";

const CLIENTS = 5;
const FAULTS = 24;
/** Between one fault and the next, so that a busy machine makes the same history as an idle one. */
const CALLS_BETWEEN_FAULTS = 25;

test(
  "what several clients of an etcd cluster see is linearizable while answers are lost, members killed and leaders frozen",
  needsEtcd,
  async (t) => {
    const cluster = await startEtcdCluster(t, etcdProgram);
    const proxies = await Promise.all(
      cluster.endpoints.map((endpoint) => startFaultProxy(t, endpoint)),
    );
    const urls = proxies.map(({ url }) => url);
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, async (_, client) =>
        openEtcd(
          t,
          [0, 1, 2].map((turn) => urls[(client + turn) % 3] ?? ""),
          {
            keyPrefix: "history/",
            writerName: `client-${client}`,
            // Short, so that some writes run out of time and stay unknown.
            callTimeoutMs: 1_000,
            attemptTimeoutMs: 250,
            pauseMsMin: 5,
            pauseMsMax: 100,
          },
        ),
      ),
    );
    const random = seededRandom("etcd history");
    let answered = 0;
    const recording = recordHistory(clients, random, (callsAnswered) => {
      answered = callsAnswered;
      return answered >= (FAULTS + 1) * CALLS_BETWEEN_FAULTS;
    });
    for (let fault = 1; fault <= FAULTS; fault++) {
      await until(() => answered >= fault * CALLS_BETWEEN_FAULTS, "calls between the faults");
      const chosen = random.index(3);
      const [proxy, member] = [proxies[chosen], cluster.members[chosen]];
      assert.ok(proxy !== undefined && member !== undefined);
      const lastMs = random.between(20, 350);
      switch (random.pick(["drop", "drop", "black-hole", "cut", "freeze-leader", "kill", "all"])) {
        case "drop":
          proxy.dropReplies(1);
          await delay(lastMs);
          proxy.heal();
          break;
        case "black-hole":
          proxy.blackHole();
          await delay(lastMs);
          proxy.heal();
          break;
        case "cut":
          proxy.cutAll();
          break;
        case "freeze-leader": {
          const leader = await cluster.leader();
          leader.signal("SIGSTOP");
          await delay(lastMs);
          leader.signal("SIGCONT");
          break;
        }
        case "kill":
          await member.kill();
          await member.start("existing");
          break;
        case "all":
          for (const each of proxies) each.dropReplies(1);
          await delay(1_100);
          for (const each of proxies) each.heal();
      }
    }
    const history = await recording;
    t.diagnostic(describeHistory(history));
    assert.ok(history.count("swapped") > 100, "most of it is work");
    assert.ok(history.count("conflict") > 10 && history.count("unknown") > 0, "and some is not");
    assertLinearizable(history);
  },
);
