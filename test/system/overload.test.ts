import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Federation, startFederation, until } from "./support/federation.ts";

let federation: Federation;
before(async () => {
  // Twelve calls at a time are all that the three clusters can serve.
  process.env["MERIDIAN_INSTANCES_MAX"] = "4";
  federation = await startFederation();
  for (const [name, tier] of [
    ["high", "critical"],
    ["low", "batch"],
  ] as const) {
    const deployed = await federation.cli(
      "deploy",
      "test/system/functions/sleeper",
      "--name",
      name,
    );
    assert.equal(deployed.exitCode, 0, deployed.stderr);
    const placed = await federation.cli("placement", name, "--tier", tier);
    assert.equal(placed.exitCode, 0, placed.stderr);
  }
});
after(async () => {
  delete process.env["MERIDIAN_INSTANCES_MAX"];
  await federation.stop();
});

test("with more calls than there is room for, batch calls are shed where they come in, and no critical one is", async (context) => {
  // Two and a half times what runs may be under way, so that places do not rest; these are more.
  const load = keepCalling({ high: 5, low: 34 });
  context.after(load.stop);
  const status = await until("the plan sheds", 60_000, async () => {
    const { stdout } = await federation.cli("status");
    return /eu-west's calls: .*; shed: batch \d/.test(stdout) ? stdout : undefined;
  });
  assert.ok(!status.includes("critical"), status);
  const explained = await federation.cli("route", "explain", "low", "--region", "eu-west");
  assert.match(explained.stdout, /the federation is full: .* of such calls are turned away/);

  load.forget();
  await until("calls of both kinds were answered", 60_000, async () =>
    load.count("low", "MERIDIAN_SHED") >= 20 && load.count("high", "200") >= 20 ? true : undefined,
  );
  assert.equal(load.count("high", "MERIDIAN_SHED"), 0);
  assert.ok(load.zones().size > 1, "what does not fit at home goes further away");
});

/** So many callers of each function near eu-west, one call after another, until stopped. */
function keepCalling(callers: Readonly<Record<string, number>>) {
  const stopping = new AbortController();
  const counts = new Map<string, number>();
  const zones = new Set<string>();
  const call = async (name: string): Promise<void> => {
    const { status, text, headers } = await federation.request(
      `/v1/tenants/demo/functions/${name}:invoke?region=eu-west`,
      {
        zone: "eu-west",
        method: "POST",
        body: '{"sleepMs":800}',
        headers: { "content-type": "application/json" },
      },
    );
    const outcome = status === 200 ? "200" : (JSON.parse(text) as { code: string }).code;
    const key = `${name} ${outcome}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (status === 200) zones.add(headers.get("meridian-zone") ?? "none");
    // Told to come back later, a caller waits.
    else await new Promise((wake) => setTimeout(wake, 500));
  };
  const lane = async (name: string): Promise<void> => {
    while (!stopping.signal.aborted) await call(name).catch(() => undefined);
  };
  const running = Promise.all(
    Object.entries(callers).flatMap(([name, count]) =>
      Array.from({ length: count }, () => lane(name)),
    ),
  );
  return {
    count: (name: string, outcome: string): number => counts.get(`${name} ${outcome}`) ?? 0,
    zones: (): ReadonlySet<string> => zones,
    forget: () => {
      counts.clear();
      zones.clear();
    },
    stop: async (): Promise<void> => {
      stopping.abort();
      await running;
    },
  };
}
