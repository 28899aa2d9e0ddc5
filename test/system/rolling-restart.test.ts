import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Value } from "typebox/value";
import { UpStatus } from "#lib/contracts/supervision.ts";
import { type Federation, REPOSITORY, startFederation, until } from "./support/federation.ts";
import { type PatientCallers, startCallers } from "./support/patient-callers.ts";
import { startStreaming, type StreamingCallers } from "./support/streaming-callers.ts";

/** That `examples/countdown` counts. */
const NUMBERS = 3;
const ZONES = ["eu-west", "us-east", "ap-south"];

let federation: Federation;
before(async () => {
  federation = await startFederation("--workers", "2");
  for (const example of ["countdown", "chat"]) {
    const deployed = await federation.cli("deploy", join(REPOSITORY, "examples", example));
    assert.equal(deployed.exitCode, 0, deployed.stderr);
  }
});
after(() => federation.stop());

test("all gateways are replaced one after the other, and no call, stream or conversation fails", async (context) => {
  const load = await startLoad();
  context.after(load.stop);
  const streaming = await startStreams();
  context.after(streaming.stop);
  await load.settled();
  await until("streams and conversations come to their end", 60_000, streaming.areFinishing());
  streaming.forget();
  const before = await gatewayPids();

  const restarted = await federation.cli("gateway", "restart", "--all");
  assert.equal(restarted.exitCode, 0, restarted.stderr);
  const pids = await gatewayPids();
  assert.equal(new Set([...before, ...pids]).size, 4 * ZONES.length, restarted.stdout);
  const answered = load.answered();
  await until("they go on", 20_000, async () =>
    load.answered() > answered + 200 ? true : undefined,
  );
  await until("streams and conversations go on", 60_000, streaming.areFinishing());
  await Promise.all([load.stop(), streaming.stop()]);
  assert.deepEqual([...load.failures(), ...streaming.failures()], []);
});

test("a gateway that somebody tells to end is replaced, and one that is killed takes no other along", async (context) => {
  const load = await startLoad();
  context.after(load.stop);
  await load.settled();
  const before = await gatewayPids();
  const [told = 0, killed = 0] = before;
  process.kill(told, "SIGTERM");
  await until("its successor serves", 30_000, async () => {
    const now = await gatewayPids();
    return !now.includes(told) && now.length === before.length ? true : undefined;
  });
  assert.deepEqual(load.failures(), [], "a gateway that drains fails nobody");

  process.kill(killed, "SIGKILL");
  await until("another is in its place", 30_000, async () => {
    const now = await gatewayPids();
    return !now.includes(killed) && now.length === before.length ? true : undefined;
  });
  const now = await gatewayPids();
  for (const pid of before) assert.ok(pid === told || pid === killed || now.includes(pid));
});

/** Callers on the shared address, and on each gateway's own. */
async function startLoad() {
  const { endpoint, zones, tenants } = await federation.credentials();
  const headers = {
    authorization: `Bearer ${tenants["demo"]?.apiKey}`,
    "content-type": "application/json",
  };
  const urls = [endpoint, ...ZONES.map((zone) => zones[zone]?.gateway ?? "")];
  const callers: readonly PatientCallers[] = urls.map((base) =>
    startCallers({
      url: `${base}/v1/tenants/demo/functions/hello:invoke`,
      headers,
      callers: 3,
      pauseMs: 60,
    }),
  );
  const sum = (of: (one: PatientCallers) => number): number =>
    callers.reduce((total, one) => total + of(one), 0);
  const answered = (): number => sum((one) => one.answered());
  return {
    answered,
    /** Buckets start empty: the first callers of a gateway may be told to come again. */
    settled: async (): Promise<void> => {
      await until("everybody is served", 30_000, async () => (answered() > 300 ? true : undefined));
      for (const one of callers) one.forget();
    },
    failures: () => callers.flatMap(({ failures }) => failures),
    stop: async (): Promise<void> => {
      await Promise.all(callers.map((one) => one.stop()));
    },
  };
}

/** Streams and WebSockets on each gateway's own address. */
async function startStreams() {
  const { zones, tenants } = await federation.credentials();
  const apiKey = tenants["demo"]?.apiKey ?? "";
  const callers: readonly StreamingCallers[] = ZONES.map((zone) =>
    startStreaming({ base: zones[zone]?.gateway ?? "", apiKey, numbers: NUMBERS, callers: 1 }),
  );
  const counted = () => callers.map((one) => ({ ...one.finished() }));
  return {
    /** From now on one more of each, at each gateway. */
    areFinishing: () => {
      const before = counted();
      return async () =>
        counted().every(
          ({ streams, conversations }, index) =>
            streams > (before[index]?.streams ?? 0) &&
            conversations > (before[index]?.conversations ?? 0),
        ) || undefined;
    },
    failures: () => callers.flatMap(({ failures }) => failures),
    forget: () => {
      for (const one of callers) one.forget();
    },
    stop: async (): Promise<void> => {
      await Promise.all(callers.map((one) => one.stop()));
    },
  };
}

async function gatewayPids(): Promise<readonly number[]> {
  const listed = await federation.cli("zone", "list", "--json");
  const { groups } = Value.Parse(UpStatus, JSON.parse(listed.stdout));
  return groups.flatMap(({ programs }) =>
    programs.flatMap(({ program, pid }) => (program === "gateway" && pid !== null ? [pid] : [])),
  );
}
