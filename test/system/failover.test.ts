import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { type Federation, isAlive, startFederation, until } from "./support/federation.ts";

let federation: Federation;
let ledger: string;
before(async () => {
  federation = await startFederation();
  ledger = join(await mkdtemp(join(tmpdir(), "meridian-ledger-")), "ledger.jsonl");
  await appendFile(ledger, "");
  for (const [name, flags] of [
    ["ledger", ["--idempotent"]],
    ["ledger-once", []],
  ] as const) {
    const deployed = await federation.cli(
      "deploy",
      "test/system/functions/ledger",
      "--name",
      name,
      "--env",
      `LEDGER=${ledger}`,
      ...flags,
    );
    assert.equal(deployed.exitCode, 0, deployed.stderr);
  }
});
after(async () => {
  await federation.stop();
  await rm(dirname(ledger), { recursive: true, force: true });
});

test("one process that dies alone is restarted, whichever it is, and its zone goes on serving", async () => {
  for (const program of ["gateway", "agent", "federator"]) {
    const before = await runFile("us-east", program);
    process.kill(before.pid, "SIGKILL");
    await until(`us-east's ${program} is back`, 15_000, async () => {
      const now = await runFile("us-east", program);
      return now.pid !== before.pid && isAlive(now.pid) ? true : undefined;
    });
    await until("us-east answers from its own cluster", 15_000, async () => {
      const answer = await call("ledger", `restart-${program}`, "us-east");
      return answer.status === 200 && answer.headers.get("meridian-zone") === "us-east"
        ? true
        : undefined;
    });
  }
});

test("a frozen gateway is withdrawn and the one address goes on answering", async () => {
  const frozen = await runFile("eu-west", "gateway");
  process.kill(frozen.pid, "SIGSTOP");
  await until("the frozen gateway is withdrawn", 4_000, async () =>
    isAlive(frozen.pid) ? undefined : true,
  );
  for (let index = 0; index < 30; index += 1) {
    const answer = await call("ledger", `withdrawn-${index}`);
    assert.equal(answer.status, 200, answer.text);
  }
  await until("the gateway is back", 10_000, async () =>
    (await call("ledger", "back", "eu-west")).status === 200 ? true : undefined,
  );
});

test("a zone stopped on purpose fails no call, and is back at once at its whole share", async () => {
  const victim = "us-east";
  const load = keepCalling("ap-south", victim);
  await load.seen(20);
  const stopped = await federation.cli("zone", "stop", victim);
  assert.equal(stopped.exitCode, 0, stopped.stderr);
  await load.seen(20);
  await until("every zone knows", 5_000, async () =>
    (await clusterState(victim)) === "down" ? true : undefined,
  );
  const started = await federation.cli("zone", "start", victim);
  assert.equal(started.exitCode, 0, started.stderr);
  const { weightPercent } = await until("it is in service", 15_000, async () => {
    const now = await cluster(victim);
    return now.state === "up" ? now : undefined;
  });
  assert.equal(weightPercent, 100, "no ramp");
  const { failures } = await load.stop();
  assert.deepEqual(failures, []);

  const audit = JSON.parse((await federation.cli("audit", "--json")).stdout) as {
    items: { change: { action: string; subject: string; detail: { cause?: string } } }[];
  };
  const verdicts = audit.items
    .map(({ change }) => change)
    .filter(({ action, subject }) => action.startsWith("cluster.") && subject === `${victim}-1`)
    .map(({ action, detail }) => `${action} ${detail.cause}`);
  assert.deepEqual(verdicts.slice(0, 2), ["cluster.up planned", "cluster.down planned"]);
});

test("killing a whole zone under load loses no idempotent call, doubles no other, and the zone returns to its share", async () => {
  const leader = (
    JSON.parse((await federation.cli("status", "--json")).stdout) as { leader: string | null }
  ).leader;
  const victim = leader ?? "eu-west";
  const survivor = victim === "us-east" ? "ap-south" : "us-east";
  const load = keepCalling(survivor, victim);
  await load.seen(40);
  const killed = await federation.cli("zone", "kill", victim);
  assert.equal(killed.exitCode, 0, killed.stderr);
  load.mark("killed");
  await until("the federation holds the cluster to be down", 6_000, async () =>
    (await clusterState(victim)) === "down" ? true : undefined,
  );
  await load.seen(40);
  const started = await federation.cli("zone", "start", victim);
  assert.equal(started.exitCode, 0, started.stderr);
  await until("the zone serves its own callers again at full weight", 25_000, async () => {
    const answer = await call("ledger", `own-${Math.random()}`, victim);
    return answer.headers.get("meridian-zone") === victim && (await clusterWeight(victim)) === 100
      ? true
      : undefined;
  });
  const { failures, idempotentLost } = await load.stop();
  assert.deepEqual(idempotentLost, [], "idempotent calls through a surviving gateway");

  const starts = new Map<string, number>();
  for (const line of (await readFile(ledger, "utf8")).trim().split("\n")) {
    const { id } = JSON.parse(line) as { id: string };
    starts.set(id, (starts.get(id) ?? 0) + 1);
  }
  const doubled = [...starts].filter(([id, count]) => id.startsWith("once-") && count > 1);
  assert.deepEqual(doubled, [], "calls of the function that is not idempotent");
  assert.ok(failures.length <= 10, `failures: ${failures.slice(0, 5).join("; ")}`);
  const listed = await federation.cli("list", "--json");
  for (const name of ["hello", "ledger", "ledger-once"])
    assert.match(listed.stdout, new RegExp(`"${name}"`), "nothing was deleted");
});

test("with every federator and the catalog dead, calls are answered as before", async () => {
  const before = await call("ledger", "static-0");
  assert.equal(before.status, 200);
  const stop = keepKilling([
    "catalog",
    "eu-west.federator",
    "us-east.federator",
    "ap-south.federator",
  ]);
  for (let index = 1; index <= 40; index += 1) {
    const zone = ["eu-west", "us-east", "ap-south"][index % 3];
    const answer = await call("ledger", `static-${index}`, zone);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers.get("meridian-zone"), zone);
  }
  stop();
  await until("deploys work again", 30_000, async () =>
    (await federation.cli("list")).exitCode === 0 ? true : undefined,
  );
});

const call = (name: string, id: string, zone?: string) =>
  federation.request(`/v1/tenants/demo/functions/${name}:invoke`, {
    method: "POST",
    body: JSON.stringify({ id }),
    headers: { "content-type": "application/json" },
    ...(zone === undefined ? {} : { zone }),
  });

async function runFile(zone: string, program: string): Promise<{ pid: number }> {
  return JSON.parse(
    await readFile(join(federation.state, "run", `${zone}.${program}.json`), "utf8"),
  ) as { pid: number };
}

async function cluster(zone: string): Promise<{ state: string; weightPercent: number }> {
  const answer = await federation.request("/v1/clusters", {
    as: "operator",
    zone: zone === "us-east" ? "ap-south" : "us-east",
  });
  const { items } = JSON.parse(answer.text) as {
    items: { zone: string; state: string; weightPercent: number }[];
  };
  return items.find((item) => item.zone === zone) ?? { state: "none", weightPercent: 0 };
}
const clusterState = async (zone: string) => (await cluster(zone)).state;
const clusterWeight = async (zone: string) => (await cluster(zone)).weightPercent;

/** Calls both functions for callers near the victim, through a gateway that survives, until stopped. */
function keepCalling(survivor: string, victim: string) {
  const failures: string[] = [];
  const idempotentLost: string[] = [];
  const stopping = new AbortController();
  // The ledger is one for all tests of the file.
  const loadId = randomUUID();
  let done = 0;
  let phase = "before";
  const one = async (name: string, id: string) => {
    const answer = await federation
      .request(`/v1/tenants/demo/functions/${name}:invoke?region=${victim}`, {
        zone: survivor,
        method: "POST",
        body: JSON.stringify({ id, sleepMs: 20 }),
        headers: { "content-type": "application/json" },
      })
      .catch((error: unknown) => ({ status: 0, text: String(error) }));
    done += 1;
    if (answer.status === 200) return;
    failures.push(`${phase} ${id} ${answer.status} ${answer.text}`);
    if (name === "ledger") idempotentLost.push(`${phase} ${id} ${answer.status} ${answer.text}`);
  };
  const loop = async (name: string, prefix: string, lane: number) => {
    for (let index = 0; !stopping.signal.aborted; index += 1)
      await one(name, `${prefix}-${loadId}-${lane}-${index}`);
  };
  const running = Promise.all(
    [0, 1, 2].flatMap((lane) => [loop("ledger", "many", lane), loop("ledger-once", "once", lane)]),
  );
  return {
    seen: async (count: number) => {
      const target = done + count;
      await until(`${count} more calls`, 20_000, async () => (done >= target ? true : undefined));
    },
    mark: (name: string) => (phase = name),
    stop: async () => {
      stopping.abort();
      await running;
      return { failures, idempotentLost };
    },
  };
}

/** Kills the programs again and again, as fast as `up` brings them back. */
function keepKilling(names: readonly string[]): () => void {
  const killAll = () => {
    for (const name of names) {
      void readFile(join(federation.state, "run", `${name}.json`), "utf8")
        .then((text) => process.kill((JSON.parse(text) as { pid: number }).pid, "SIGKILL"))
        .catch(() => undefined);
    }
  };
  killAll();
  const timer = setInterval(killAll, 50);
  return () => clearInterval(timer);
}
