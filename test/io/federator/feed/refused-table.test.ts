import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { FeedFrame } from "#lib/contracts/feed.ts";
import { readJsonLines } from "#lib/io/json-lines.ts";
import { type FakeGateway, startFakeGateway } from "../support/fake-gateway.ts";
import { startThreeZones, type TestFederation } from "../support/three-zones.ts";
import { until } from "../support/until.ts";

/** The zone that is first by name proves what is held back. */
const FIRST = "ap-south";
const LATER = ["eu-west", "us-east"] as const;
const REASON = "a function that this version cannot run";

let federation: TestFederation;
const gateways = new Map<string, FakeGateway>();
before(async () => {
  // On a busy machine the first zone must be heard all the same: one that is not heard is not waited for.
  federation = await startThreeZones({ evidenceMaxAgeMs: 20_000 });
  for (const zone of LATER) gateways.set(zone, await startFakeGateway(federation, zone));
});
after(() => federation.stop());

/** A gateway that takes nothing beyond the first table, as one of an older version might. */
async function startPicky(): Promise<() => Promise<void>> {
  const url = await federation.zone(FIRST).federatorUrl();
  const ending = new AbortController();
  const receiver = `${FIRST}.gateway`;
  const stream = await federation.client.stream(url, {
    path: `/internal/feed?receiver=${receiver}`,
    timeoutMs: 2_000,
    signal: ending.signal,
  });
  const follow = async (): Promise<void> => {
    let position: object | null = null;
    for await (const line of readJsonLines(stream)) {
      const frame = line as FeedFrame;
      if (frame.kind !== "full" && frame.kind !== "delta") continue;
      position ??= frame.position;
      const isTaken = !JSON.stringify(frame).includes("tenant/many-0");
      if (isTaken) position = frame.position;
      const refusal = isTaken ? {} : { refused: REASON, refusedPosition: frame.position };
      await federation.client.json(url, {
        method: "POST",
        path: "/internal/feed/acks",
        json: { receiver, nonce: frame.nonce, position, ...refusal },
        timeoutMs: 2_000,
      });
    }
  };
  const following = follow().catch(() => undefined);
  return async () => {
    ending.abort(new Error("the test ends"));
    await following;
  };
}

const hasMany = (zone: string): boolean =>
  gateways.get(zone)?.table()?.entries.has("tenant/many-0") === true;
const writeMany = (kind: "put" | "delete") =>
  federation.catalog.txn({
    compares: [],
    operations: Array.from({ length: 40 }, (_, index) => {
      const key = keys.tenant(`many-${index}`);
      const value = JSON.stringify({ name: `many-${index}`, createdAtMs: 1 });
      return kind === "put" ? { kind, key, value } : { kind, key };
    }),
  });
/** A zone that is too busy to answer is asked again. */
const waveOf = async (zone: string) => {
  const status = await federation
    .zone(zone)
    .status()
    .catch(() => undefined);
  return status === undefined ? ({ state: "silent" } as const) : status.wave;
};
const metric = async (zone: string, name: string): Promise<number> => {
  const found = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)`, "m").exec(
    await federation.zone(zone).metrics(),
  );
  return Number(found?.[1] ?? Number.NaN);
};

test("a table that one gateway turns down reaches no other in any zone, and each zone says who did and why", async () => {
  const stop = await startPicky();
  await until("every gateway has a table", async () =>
    LATER.every((zone) => gateways.get(zone)?.table() !== undefined),
  );
  await until("the zones hear of each other's gateways", async () => {
    const { receivers } = await federation.zone(FIRST).status();
    return receivers[0]?.position != null;
  });
  // Of this no zone tells anybody: twenty rounds of gossip are enough.
  await delay(1_000);
  const result = await writeMany("put");
  assert.ok(result.kind === "committed");
  await until("every zone has stopped", async () => {
    const states = await Promise.all([FIRST, ...LATER].map(waveOf));
    return states.every((wave) => wave?.state === "refused");
  });
  const { revision } = result;
  const receiver = `${FIRST}.gateway`;
  assert.deepEqual(await waveOf(FIRST), { revision, state: "refused", receiver, reason: REASON });
  for (const zone of LATER) {
    assert.equal((await federation.zone(zone).status()).wave?.receiver, FIRST);
    assert.ok(!hasMany(zone));
  }
  const { receivers } = await federation.zone(FIRST).status();
  assert.equal(receivers[0]?.refused, REASON);
  assert.equal(await metric(FIRST, "meridian_feed_refusals_total"), 1);
  assert.equal(await metric(FIRST, "meridian_feed_waves_refused_total"), 1);
  assert.equal(await metric(LATER[0], "meridian_feed_waves_refused_total"), 1);

  await writeMany("delete");
  await until("what is undone is held back no more", async () => {
    const states = await Promise.all([FIRST, ...LATER].map(waveOf));
    return states.every((wave) => wave === undefined);
  });
  await stop();
});
