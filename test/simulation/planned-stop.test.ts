import assert from "node:assert/strict";
import { test } from "node:test";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { readVerdict } from "../../federator/io/read-records.ts";
import { type SeededRandom, seededRandom } from "./engine/seeded-random.ts";
import { startTrace } from "./engine/trace.ts";
import { buildWorld, openWorld, type World } from "./world/world.ts";
import type { SimulatedZone } from "./world/zone.ts";

/** `MERIDIAN_STOP_SEEDS=2000` plays as many; a seed takes half a second of CPU. */
const SEEDS = Number(process.env["MERIDIAN_STOP_SEEDS"] ?? 16);
const SETTLED_MS = 12_000;
/** About when the others notice: before, in the middle of it, and after. */
const AWAY_MAX_MS = 5_000;
/** A program of the zone may be there so much sooner than the other one. */
const APART_MAX_MS = 2_500;
/** Longer than the others take to see it again, and than the hold after a loss that nobody planned. */
const BACK_BY_MS = 25_000;

/** Stops one zone on purpose, lets it come back after a while, and tells what the catalog was told of it. */
async function stopAndReturn(seed: string, whose: "leader" | "other"): Promise<readonly string[]> {
  const random = seededRandom(seed);
  const said: string[] = [];
  const world = buildWorld({
    settings: { seed: 0, zones: 3, minutes: 0 },
    random,
    trace: startTrace(0),
    onEvent: (event) => {
      if (event.kind !== "revision") return;
      for (const change of event.revision.changes) {
        if (change.kind === "delete" || stopped === undefined) continue;
        if (change.record.key !== keys.verdict(stopped.clusterId)) continue;
        const verdict = readVerdict(change.record)?.value;
        said.push(`${verdict?.state} ${verdict?.cause}`);
      }
    },
  });
  let stopped: SimulatedZone | undefined;
  await openWorld(world);
  await world.run(SETTLED_MS);
  stopped = zoneToStop(world, whose);
  const asked = otherThan(world, stopped).federator()?.control;
  const planned = asked?.planDown(stopped.clusterId, new AbortController().signal);
  await world.run(random.between(500, 3_000));
  assert.equal(await planned, true, seed);
  await leaveAndReturn(world, stopped, random);
  await world.run(BACK_BY_MS);
  world.time.stop();
  return said;
}

function zoneToStop({ zones }: World, whose: "leader" | "other"): SimulatedZone {
  const found = zones.find(
    (zone) => (zone.federator()?.isLeader() === true) === (whose === "leader"),
  );
  assert.ok(found !== undefined, "somebody leads, and somebody else does not");
  return found;
}

function otherThan({ zones }: World, stopped: SimulatedZone): SimulatedZone {
  const found = zones.find((zone) => zone !== stopped);
  assert.ok(found !== undefined);
  return found;
}

/** Its programs end together, refusing; they start in any order, and not quite together. */
async function leaveAndReturn(world: World, zone: SimulatedZone, random: SeededRandom) {
  zone.agent.kill("process");
  zone.crashFederator();
  zone.crashGateway();
  const awayMs = random.between(0, AWAY_MAX_MS);
  const agentLaterMs = random.between(0, APART_MAX_MS);
  const federatorLaterMs = random.between(0, APART_MAX_MS);
  world.time.schedule(awayMs + agentLaterMs, zone.agent.start);
  world.time.schedule(awayMs + federatorLaterMs, zone.startFederator);
  await world.run(awayMs + APART_MAX_MS);
}

for (const [whose, name] of [
  ["leader", "the leader's zone"],
  ["other", "another zone"],
] as const)
  test(`in ${SEEDS} worlds ${name}, stopped on purpose and back after some seconds, returns once, and nobody takes it out again`, async () => {
    for (let index = 0; index < SEEDS; index += 1) {
      const seed = `planned stop of ${name}, ${index}`;
      assert.deepEqual(await stopAndReturn(seed, whose), ["down planned", "up planned"], seed);
    }
  });
