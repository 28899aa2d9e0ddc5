import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Federation, startFederation, until } from "./support/federation.ts";
import { processTree } from "./support/process-tree.ts";

const VICTIM = "us-east";
/** Between the beginnings of two calls of one function, whatever became of those before. */
const INTERVAL_MS = 25;
/** Calls of one function that may be running at one moment. */
const RUNNING_MAX = 3;
/** After these a cluster that hangs is long given up. */
const FREED_INTERVALS = 100;
let federation: Federation;
let folder: string;
before(async () => {
  federation = await startFederation();
  folder = await mkdtemp(join(tmpdir(), "meridian-ledger-"));
  await appendFile(join(folder, "ledger"), "");
  for (const [name, flags] of [
    ["many", ["--idempotent", "--concurrency", "50"]],
    ["once", ["--concurrency", "50"]],
  ] as const) {
    const ledger = `LEDGER=${join(folder, "ledger")}`;
    const deployed = await federation.cli(
      ..."deploy test/system/functions/ledger --name".split(" "),
      name,
      "--env",
      ledger,
      ...flags,
    );
    assert.equal(deployed.exitCode, 0, deployed.stderr);
  }
});
after(async () => {
  await federation.stop();
  await rm(folder, { recursive: true, force: true });
});

test("a cluster that hangs and wakes up again fails no call that had not begun, and doubles none of them", async () => {
  await until("the victim serves its callers", 15_000, async () =>
    (await call("once", "warm")).zone === VICTIM && (await call("many", "warm")).zone === VICTIM
      ? true
      : undefined,
  );
  const load = keepCalling();
  // Repetitions are kept to a fifth of the last ten seconds' calls: a second's worth of them needs some before.
  await load.seen(500);
  const { pid } = JSON.parse(
    await readFile(join(federation.state, "run", `${VICTIM}.agent.json`), "utf8"),
  ) as { pid: number };
  const frozen = await processTree(pid);
  assert.ok(frozen.length > 2, "the agent, its launcher and instances");
  for (const one of frozen) process.kill(one, "SIGSTOP");
  const before = load.answered();
  await sleep(5_000);
  const during = load.answered() - before;
  const stuck = load.runningSince(FREED_INTERVALS);
  for (const one of frozen) process.kill(one, "SIGCONT");
  await load.seen(200);
  const failed = await load.stop();

  assert.ok(during > 200, `${during} calls were answered while it hung`);
  // Those that it was given and had not begun went elsewhere, whether they may be repeated or not.
  assert.ok(stuck.length <= RUNNING_MAX, `they waited for it to wake up: ${stuck.join(", ")}`);
  assert.deepEqual(
    failed.filter((line) => line.startsWith("many")),
    [],
  );
  // What had begun cannot be known.
  assert.ok(failed.length <= RUNNING_MAX, failed.join("\n"));
  const starts = new Map<string, number>();
  for (const line of (await readFile(join(folder, "ledger"), "utf8")).trim().split("\n")) {
    const { id } = JSON.parse(line) as { id: string };
    if (id !== "warm") starts.set(id, (starts.get(id) ?? 0) + 1);
  }
  const doubled = [...starts].filter(([, count]) => count > 1).map(([id]) => id);
  assert.deepEqual(
    doubled.filter((id) => id.startsWith("once")),
    [],
  );
  assert.ok(doubled.length <= RUNNING_MAX, `begun, frozen and repeated: ${doubled.join(", ")}`);
});

async function call(name: string, id: string): Promise<{ status: number; zone: string }> {
  const { status, headers } = await federation.request(
    `/v1/tenants/demo/functions/${name}:invoke?region=${VICTIM}`,
    {
      zone: "eu-west",
      method: "POST",
      body: JSON.stringify({ id }),
      headers: { "content-type": "application/json" },
    },
  );
  return { status, zone: headers.get("meridian-zone") ?? "none" };
}

/** Calls both functions at a steady pace as callers near the victim, through a gateway elsewhere, until stopped. */
function keepCalling() {
  const failed: string[] = [];
  const running = new Map<string, { readonly begun: number; readonly ending: Promise<void> }>();
  let answered = 0;
  let begun = 0;
  const one = async (name: string, id: string): Promise<void> => {
    const { status } = await call(name, id).catch(() => ({ status: 0 }));
    if (status === 200) answered += 1;
    else failed.push(`${id} ${status}`);
  };
  const begin = (name: string): void => {
    const id = `${name}-${begun}`;
    const ending = one(name, id).then(() => void running.delete(id));
    running.set(id, { begun, ending });
  };
  const timer = setInterval(() => {
    begun += 1;
    begin("many");
    begin("once");
  }, INTERVAL_MS);
  return {
    answered: () => answered,
    /** Calls that were begun at least so many intervals ago and run still. */
    runningSince: (intervals: number) =>
      [...running].filter(([, call]) => begun - call.begun >= intervals).map(([id]) => id),
    seen: async (count: number) => {
      const target = answered + count;
      await until(`${count} more calls`, 30_000, async () =>
        answered >= target ? true : undefined,
      );
    },
    stop: async (): Promise<readonly string[]> => {
      clearInterval(timer);
      await Promise.all([...running.values()].map(({ ending }) => ending));
      return failed;
    },
  };
}
