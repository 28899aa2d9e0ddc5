import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Value } from "typebox/value";
import { UsagePage } from "#lib/contracts/usage.ts";
import { readEndpoints } from "#lib/io/run-directory.ts";
import { type Federation, startFederation, until } from "./support/federation.ts";

/* What is billed is what ran: counted by the functions themselves, through crashes of agents and the loss of a zone. */
const VICTIM = "us-east";
let federation: Federation;
let folder: string;
before(async () => {
  federation = await startFederation();
  folder = await mkdtemp(join(tmpdir(), "meridian-usage-"));
  await writeFile(join(folder, "ledger"), "");
  const deployed = await federation.cli(
    ..."deploy test/system/functions/metered --env".split(" "),
    `LEDGER=${join(folder, "ledger")}`,
  );
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  await until("the victim serves its callers", 60_000, async () =>
    (await call({}))?.zone === VICTIM ? true : undefined,
  );
});
after(async () => {
  await federation.stop();
  await rm(folder, { recursive: true, force: true });
});

test("what was used is told by function, version and zone, and each tenant sees its own alone", async () => {
  const was = await usage("");
  await call({ bytes: 1_000 });
  await call({ fails: true });
  const page = await usage("");
  assert.deepEqual(page.silentZones, []);
  const [item, before] = [page.items[0], was.items[0]];
  assert.ok(item !== undefined && before !== undefined);
  assert.equal(item.invocations, await executed());
  assert.equal(item.invocations, before.invocations + 2);
  assert.equal(item.errors, before.errors + 1);
  assert.ok(item.egressBytes >= before.egressBytes + 1_000);
  assert.ok(item.coldStarts >= 1);
  assert.equal(item.gigabyteSeconds, (item.billedMs * 128) / 1_024_000);

  for (const divided of ["&by=zone", "&by=version", "&interval=hour", "&interval=day"]) {
    const { items } = await usage(divided);
    const sum = items.reduce((calls, { invocations }) => calls + invocations, 0);
    assert.equal(sum, item.invocations, divided);
  }
  const acme = await federation.request("/v1/usage?function=metered", { as: "acme" });
  assert.deepEqual(Value.Parse(UsagePage, JSON.parse(acme.text)).items, []);
  const foreign = await federation.request("/v1/usage?tenant=demo", { as: "acme" });
  assert.equal(foreign.status, 404);
  const everyone = await federation.request("/v1/usage?by=tenant", { as: "operator" });
  const tenants = Value.Parse(UsagePage, JSON.parse(everyone.text)).items;
  assert.ok(tenants.some(({ tenant }) => tenant === "demo"));
});

test("an agent killed under load: nothing is billed that did not run, and what was told stays", async () => {
  const settled = await callsBilled();
  assert.equal(settled, await executed());
  const agents = await readEndpoints(join(federation.state, "run"));
  const agent = agents.find(({ program, zone }) => program === "agent" && zone === VICTIM);
  assert.ok(agent !== undefined);
  const over = new AbortController();
  const load = Array.from({ length: 4 }, async () => {
    while (!over.signal.aborted) await call({ ms: 10 });
  });
  try {
    await until("the load is there", 60_000, async () =>
      (await executed()) > settled + 40 ? true : undefined,
    );
    process.kill(agent.pid, "SIGKILL");
    await until("its successor serves", 60_000, async () =>
      (await call({}))?.zone === VICTIM ? true : undefined,
    );
  } finally {
    over.abort();
    await Promise.all(load);
  }
  const billed = await callsBilled();
  const ran = await executed();
  assert.ok(billed >= settled && billed <= ran, `${settled} ≤ ${billed} ≤ ${ran}`);
  for (let count = 0; count < 5; count += 1) await call({});
  assert.equal((await callsBilled()) - billed, (await executed()) - ran);
});

test("a version that does not start is billed nothing, and shows in the status as long as it is tried", async () => {
  const deployed = await federation.cli("deploy", "test/system/functions/never-starts");
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  const path = `/v1/tenants/demo/functions/never-starts:invoke?region=${VICTIM}`;
  const shown = await until("the status shows it", 60_000, async () => {
    await federation.request(path, { zone: "eu-west", method: "POST" });
    const { stdout } = await federation.cli("status");
    return /^demo\/never-starts version 1 does not start in .*$/m.exec(stdout)?.[0];
  });
  assert.match(shown, /: Runtime\.ExitError, \d+ times in a row; tried again (in|with) /);
  const answer = await federation.request("/v1/usage?function=never-starts");
  const [item] = Value.Parse(UsagePage, JSON.parse(answer.text)).items;
  assert.deepEqual([item?.invocations, item?.billedMs, item?.egressBytes], [0, 0, 0]);
  assert.ok((item?.initErrors ?? 0) >= 5);
});

test("a zone that is down is named, its figures are missed by nobody, and they are back with it", async () => {
  const whole = await callsBilled();
  const killed = await federation.cli("zone", "kill", VICTIM);
  assert.equal(killed.exitCode, 0, killed.stderr);
  const part = await usage("&by=zone");
  assert.deepEqual(part.silentZones, [VICTIM]);
  assert.ok(part.items.every(({ zone }) => zone !== VICTIM));
  const told = await federation.cli("usage", "metered");
  assert.equal(told.exitCode, 0, told.stderr);
  assert.match(told.stderr, /no answer from us-east: what ran there is not in these figures/);

  const started = await federation.cli("zone", "start", VICTIM);
  assert.equal(started.exitCode, 0, started.stderr);
  await until("every zone answers", 60_000, async () =>
    (await usage("")).silentZones.length === 0 ? true : undefined,
  );
  assert.equal(await callsBilled(), whole);
  const table = await federation.cli("usage", "metered", "--by", "zone");
  assert.match(table.stdout, /FUNCTION +ZONE +CALLS/);
  assert.match(table.stdout, /metered +us-east +\d+/);
});

async function call(event: {
  readonly ms?: number;
  readonly bytes?: number;
  readonly fails?: boolean;
}): Promise<{ readonly zone: string | null } | undefined> {
  try {
    const { headers } = await federation.request(
      `/v1/tenants/demo/functions/metered:invoke?region=${VICTIM}`,
      {
        zone: "eu-west",
        method: "POST",
        body: JSON.stringify(event),
        headers: { "content-type": "application/json" },
      },
    );
    return { zone: headers.get("meridian-zone") };
  } catch {
    return undefined;
  }
}

async function usage(query: string): Promise<UsagePage> {
  const answer = await federation.request(`/v1/usage?function=metered${query}`);
  assert.equal(answer.status, 200, answer.text);
  return Value.Parse(UsagePage, JSON.parse(answer.text));
}

const callsBilled = async (): Promise<number> => (await usage("")).items[0]?.invocations ?? 0;

/** Starts, as the functions wrote them down. */
const executed = async (): Promise<number> =>
  (await readFile(join(folder, "ledger"), "utf8")).split("\n").filter((line) => line !== "").length;
