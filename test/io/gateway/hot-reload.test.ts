import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { hashApiKey } from "#lib/api-key.ts";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { type FakeAgent, startFakeAgent } from "./fake-agent.ts";
import type { FakeFederator } from "./fake-federator.ts";
import {
  eventually,
  federatorWith,
  invoke,
  tableEntries,
  type TestFederation,
  testFederation,
} from "./run-gateway.ts";

const CALLERS = 4;
const PAUSE_MS = 20;
const CHANGES = 50;

let federation: TestFederation;
let federator: FakeFederator;
let agent: FakeAgent;
let gateway: RunningGateway;
before(async () => {
  federation = await testFederation();
  federator = await federatorWith(federation, [{ name: "echo" }]);
  agent = await startFakeAgent("eu-west");
  await federation.publish("agent", "eu-west", agent.url);
  gateway = await federation.startGateway();
});
after(async () => {
  await gateway.stop();
  await agent.close();
  await federator.close();
  await federation.remove();
});

test("keys, limits and routes change fifty times under load, and no call fails", async () => {
  await eventually(async () => (await invoke(gateway, "echo")).status === 200);
  const stopping = new AbortController();
  const statuses: number[] = [];
  const callForEver = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const answer = await invoke(gateway, "echo");
      await answer.text();
      statuses.push(answer.status);
      await delay(PAUSE_MS);
    }
  };
  const calling = Promise.all(Array.from({ length: CALLERS }, callForEver));
  for (let revision = 2; revision < 2 + CHANGES; revision += 1) {
    const answered = statuses.length;
    federator.sendTable(changedTable(revision), revision);
    // Calls go on between any two changes.
    await eventually(() => statuses.length > answered);
  }
  stopping.abort();
  await calling;
  const last = `added-${1 + CHANGES}`;
  await eventually(async () => (await invoke(gateway, last)).status === 200);
  assert.deepEqual(new Set(statuses), new Set([200]), `${statuses.length} calls`);
});

/** A function comes and one goes, a key too, and the limits of the tenant move. */
function changedTable(revision: number): RouteEntry[] {
  const limits = {
    "requests-per-second": 1_000_000 - revision,
    burst: 1_000_000 - revision,
    concurrency: 100 + (revision % 3),
  };
  const functions = [
    { name: "echo" },
    { name: `added-${revision}`, idempotent: revision % 2 === 0 },
  ];
  const keyHash = hashApiKey(`mk_added_${revision}`);
  return [
    ...tableEntries({ functions, limits }),
    { kind: "key", keyHash, tenant: "demo", roles: ["tenant-reader"] },
  ];
}
