import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { hashApiKey } from "#lib/api-key.ts";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import { openDoorWorld } from "./door-world.ts";
import { eventually, invoke, tableEntries } from "./run-gateway.ts";

const CALLERS = 4;
const PAUSE_MS = 20;
const CHANGES = 50;

test("keys, limits and routes change fifty times under load, and no call fails", async () => {
  await using world = await openDoorWorld();
  const { federator, gateway } = world;
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
