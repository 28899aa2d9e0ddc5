import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Federation, startFederation, until } from "./support/federation.ts";

/** Keeps the callers of one gateway within a third of the tenant's rate, however quick the machine is. */
const PAUSE_MS = 10;

let federation: Federation;
before(async () => {
  federation = await startFederation();
  for (const folder of ["sleeper", "loyal"]) {
    const deployed = await federation.cli(
      "deploy",
      `test/system/functions/${folder}`,
      "--idempotent",
    );
    assert.equal(deployed.exitCode, 0, deployed.stderr);
  }
  for (const zone of ["eu-west", "us-east", "ap-south"])
    await until(`${zone} answers`, 15_000, async () =>
      (await call("loyal", zone)).status === 200 ? true : undefined,
    );
});
after(() => federation.stop());

test("a drained cluster gets no new calls, no call fails for it, and undrained it takes its share again", async (context) => {
  const load = keepCalling("us-east");
  context.after(load.stop);
  await load.seen(30);
  assert.deepEqual([...load.servedBy()], ["us-east"]);

  const drained = await federation.cli("cluster", "drain", "us-east-1", "--reason", "new kernel");
  assert.equal(drained.exitCode, 0, drained.stderr);
  assert.equal(drained.stdout.trim(), "us-east-1: draining (new kernel)");
  // What was under way when the answer came may still come back from there.
  await load.seen(10);
  load.forget();
  await load.seen(60);
  assert.ok(!load.servedBy().has("us-east"), "no new call goes there");

  const status = await federation.cli("status");
  assert.match(status.stdout, /us-east-1\s+up for .*draining \(new kernel\)/);
  assert.match(status.stdout, /us-east's calls: eu-west-1 100 %/);

  const undrained = await federation.cli("cluster", "undrain", "us-east-1");
  assert.equal(undrained.exitCode, 0, undrained.stderr);
  await until("us-east serves its callers again", 20_000, async () => {
    load.forget();
    await load.seen(30);
    const zones = load.servedBy();
    return zones.size === 1 && zones.has("us-east") ? true : undefined;
  });
  assert.deepEqual(await load.stop(), [], "calls that failed");
});

test("a quarantined cluster gets no call, and only a release ends that", async () => {
  const quarantined = await federation.cli(
    ...words("cluster quarantine us-east-1 --reason"),
    "wrong clock",
  );
  assert.equal(quarantined.stdout.trim(), "us-east-1: quarantined (wrong clock)");
  for (let index = 0; index < 20; index += 1)
    assert.equal((await call("loyal", "us-east")).zone, "eu-west");
  assert.match((await federation.cli("cluster", "list")).stdout, /quarantined \(wrong clock\)/);
  const undrained = await federation.cli("cluster", "undrain", "us-east-1");
  assert.match(undrained.stderr, /MERIDIAN_CONFLICT/);
  const released = await federation.cli("cluster", "release", "us-east-1");
  assert.equal(released.stdout.trim(), "us-east-1: in-service");
  await atFullWeight("us-east-1");
  assert.equal((await call("loyal", "us-east")).zone, "us-east");
});

test("narrowed residency moves the calls at once, and nothing an operator says of clusters moves them out again", async () => {
  const narrowed = await federation.cli("placement", "sleeper", "--region", "eu");
  assert.equal(narrowed.exitCode, 0, narrowed.stderr);
  const everywhere = ["eu-west", "us-east", "ap-south"];
  const servedFor = async (): Promise<readonly string[]> =>
    Promise.all(
      everywhere.map(async (origin) => {
        const { status, zone } = await call("sleeper", origin);
        return status === 200 ? zone : String(status);
      }),
    );
  assert.deepEqual(await servedFor(), ["eu-west", "eu-west", "eu-west"]);
  const { stdout } = await federation.cli(...words("route explain sleeper --region us-east"));
  assert.match(stdout, /us-east-1 .*refused +the placement permits eu alone/);

  assert.equal((await federation.cli("cluster", "drain", "eu-west-1")).exitCode, 0);
  assert.deepEqual(await servedFor(), ["eu-west", "eu-west", "eu-west"], "the last resort");
  assert.equal((await federation.cli("cluster", "quarantine", "eu-west-1")).exitCode, 0);
  assert.deepEqual(await servedFor(), ["503", "503", "503"]);
  assert.equal((await federation.cli("cluster", "release", "eu-west-1")).exitCode, 0);
  await atFullWeight("eu-west-1");
  assert.deepEqual(await servedFor(), ["eu-west", "eu-west", "eu-west"]);
  assert.equal((await federation.cli("placement", "sleeper", "--anywhere")).exitCode, 0);
  assert.deepEqual(await servedFor(), everywhere);
});

test("a shift of half of a cluster's calls moves half of them, and ends when it is removed", async () => {
  const added = await federation.cli(
    ...words("shift add --from eu-west-1 --to ap-south-1 --percent 50 --minutes 1 --json"),
    "--reason",
    "try it",
  );
  assert.equal(added.exitCode, 0, added.stderr);
  const { id } = JSON.parse(added.stdout) as { id: string };
  const explained = await federation.cli("route", "explain", "loyal", "--region", "eu-west");
  assert.match(explained.stdout, /takes 50 % of eu-west's calls/);
  const status = await federation.cli("status");
  assert.match(
    status.stdout,
    new RegExp(`shift ${id}: 50 % of eu-west-1 → ap-south-1, for .* \\(try it\\)`),
  );

  const counts = new Map<string, number>();
  for (let index = 0; index < 400; index += 1) {
    const { zone } = await call("loyal", "eu-west");
    counts.set(zone, (counts.get(zone) ?? 0) + 1);
  }
  assert.deepEqual([...counts.keys()].toSorted(), ["ap-south", "eu-west"]);
  // Five standard deviations of 400 draws.
  const moved = counts.get("ap-south") ?? 0;
  assert.ok(Math.abs(moved - 200) <= 50, `${moved} of 400 moved`);

  const listed = await federation.cli("shift", "list");
  assert.match(
    listed.stdout,
    new RegExp(`${id}\\s+50 % of eu-west-1 → ap-south-1\\s+\\S+ \\S+\\s+try it`),
  );
  const removed = await federation.cli("shift", "remove", id);
  assert.equal(removed.exitCode, 0, removed.stderr);
  for (let index = 0; index < 20; index += 1)
    assert.equal((await call("loyal", "eu-west")).zone, "eu-west");
});

test("a shift ends by itself when nobody is there to end it", async () => {
  const added = await federation.cli(
    ...words("shift add --from eu-west-1 --percent 100 --minutes 1"),
  );
  assert.equal(added.exitCode, 0, added.stderr);
  assert.equal((await call("loyal", "eu-west")).zone, "us-east");
  await until("the shift has ended", 75_000, async () =>
    (await call("loyal", "eu-west")).zone === "eu-west" ? true : undefined,
  );
});

function words(commandLine: string): string[] {
  return commandLine.split(" ");
}

interface Refusal {
  readonly argv: readonly string[];
  readonly code: string;
}
const refusals: readonly Refusal[] = [
  { argv: ["cluster", "drain", "nowhere"], code: "MERIDIAN_NOT_FOUND" },
  {
    argv: ["shift", "add", "--from", "nowhere", "--percent", "5", "--minutes", "1"],
    code: "MERIDIAN_NOT_FOUND",
  },
  {
    argv: words("shift add --from eu-west-1 --to eu-west-1 --percent 5 --minutes 1"),
    code: "MERIDIAN_BAD_REQUEST",
  },
  { argv: ["shift", "remove", "sh-0000000000"], code: "MERIDIAN_NOT_FOUND" },
];
for (const { argv, code } of refusals)
  test(`meridian ${argv.join(" ")} is refused with ${code}`, async () => {
    const refused = await federation.cli(...argv);
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, new RegExp(code));
  });

test("a percentage or a time out of range is refused before anything is sent", async () => {
  for (const [percent, minutes] of [
    ["0", "1"],
    ["101", "1"],
    ["50", "0"],
    ["50", "1441"],
  ] as const) {
    const refused = await federation.cli(
      ...words(`shift add --from eu-west-1 --percent ${percent} --minutes ${minutes}`),
    );
    assert.equal(refused.exitCode, 2, refused.stdout);
  }
});

test("the last cluster in service is drained only by force", async () => {
  for (const clusterId of ["us-east-1", "ap-south-1"])
    assert.equal((await federation.cli("cluster", "drain", clusterId)).exitCode, 0);
  const refused = await federation.cli("cluster", "drain", "eu-west-1");
  assert.match(refused.stderr, /MERIDIAN_LAST_CLUSTER/);
  const forced = await federation.cli("cluster", "drain", "eu-west-1", "--force");
  assert.equal(forced.exitCode, 0, forced.stderr);
  assert.equal((await call("loyal", "eu-west")).status, 200, "the last resort");
  for (const clusterId of ["eu-west-1", "us-east-1", "ap-south-1"])
    assert.equal((await federation.cli("cluster", "undrain", clusterId)).exitCode, 0);
});

test("after the loss of a zone a function with manual failback stays away until an operator releases the cluster", async () => {
  await atFullWeight("ap-south-1");
  const killed = await federation.cli("zone", "kill", "ap-south");
  assert.equal(killed.exitCode, 0, killed.stderr);
  await until("the federation holds the cluster to be down", 8_000, async () =>
    (await cluster("ap-south-1")).state === "down" ? true : undefined,
  );
  const started = await federation.cli("zone", "start", "ap-south");
  assert.equal(started.exitCode, 0, started.stderr);
  await atFullWeight("ap-south-1");

  assert.equal((await cluster("ap-south-1")).awaitsRelease, true);
  assert.match(
    (await federation.cli("cluster", "list")).stdout,
    /ap-south-1 .*manual failback waits/,
  );
  await until("the function whose failback is automatic is back", 10_000, async () =>
    (await call("sleeper", "ap-south")).zone === "ap-south" ? true : undefined,
  );
  for (let index = 0; index < 30; index += 1)
    assert.notEqual((await call("loyal", "ap-south")).zone, "ap-south");

  const released = await federation.cli("cluster", "release", "ap-south-1");
  assert.equal(released.exitCode, 0, released.stderr);
  assert.equal((await call("loyal", "ap-south")).zone, "ap-south");
  assert.equal((await cluster("ap-south-1")).awaitsRelease, false);
});

/** As a caller near the zone, through a gateway that stays. */
async function call(name: string, origin: string): Promise<{ status: number; zone: string }> {
  const answer = await federation.request(
    `/v1/tenants/demo/functions/${name}:invoke?region=${origin}`,
    {
      zone: "eu-west",
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    },
  );
  return { status: answer.status, zone: answer.headers.get("meridian-zone") ?? "none" };
}

async function cluster(
  clusterId: string,
): Promise<{ state: string; weightPercent: number; awaitsRelease: boolean }> {
  const answer = await federation.request(`/v1/clusters/${clusterId}`, {
    as: "operator",
    zone: "eu-west",
  });
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text) as Awaited<ReturnType<typeof cluster>>;
}

const atFullWeight = (clusterId: string) =>
  until(`${clusterId} is at full weight`, 40_000, async () => {
    const { state, weightPercent } = await cluster(clusterId);
    return state === "up" && weightPercent === 100 ? true : undefined;
  });

/** Three callers near the zone, one call after another, until stopped. */
function keepCalling(origin: string) {
  const stopping = new AbortController();
  const failed: string[] = [];
  let zones = new Set<string>();
  let done = 0;
  const lane = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const { status, zone } = await call("sleeper", origin).catch(() => ({
        status: 0,
        zone: "-",
      }));
      done += 1;
      zones.add(zone);
      if (status !== 200) failed.push(`${status} from ${zone}`);
      await sleep(PAUSE_MS);
    }
  };
  const running = Promise.all([lane(), lane(), lane()]);
  return {
    seen: async (count: number) => {
      const target = done + count;
      await until(`${count} more calls`, 30_000, async () => (done >= target ? true : undefined));
    },
    servedBy: (): ReadonlySet<string> => zones,
    forget: () => (zones = new Set()),
    stop: async (): Promise<readonly string[]> => {
      stopping.abort();
      await running;
      return failed;
    },
  };
}
