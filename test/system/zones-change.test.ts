import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePorts } from "#lib/io/free-ports.ts";
import { type Federation, startFederationAt, until } from "./support/federation.ts";

const THREE = "eu-west,us-east,ap-south";
const FOUR = `${THREE},tokyo=35.7:139.7:jp`;
const WITHOUT_AP_SOUTH = "eu-west,us-east,tokyo=35.7:139.7:jp";

let state: string;
let basePort: number;
before(async () => {
  state = await mkdtemp(join(tmpdir(), "meridian-system-"));
  basePort = await freePorts(5);
});
after(() => rm(state, { recursive: true, force: true }));

test("a zone joins with every function there is, and another leaves and takes nothing along", async () => {
  await during(THREE, async (federation) => {
    const deployed = await federation.cli("deploy", "examples/hello-python", "--tenant", "demo");
    assert.equal(deployed.exitCode, 0, deployed.stderr);
  });

  await during(FOUR, async (federation) => {
    await answersFrom(federation, "tokyo", "hello-python");
    const deployed = await federation.cli("deploy", "examples/render-markdown", "--tenant", "demo");
    assert.match(deployed.stdout, /4 of 4 gateways ready.*tokyo/);
  });

  await during(WITHOUT_AP_SOUTH, async (federation) => {
    for (const zone of ["eu-west", "us-east", "tokyo"])
      await answersFrom(federation, zone, "render-markdown");
    const { stdout } = await federation.cli("status", "--json");
    const status: {
      readonly silentZones: readonly string[];
      readonly zones: readonly { readonly zone: string }[];
    } = JSON.parse(stdout);
    assert.deepEqual(
      [...status.zones.map(({ zone }) => zone), ...status.silentZones],
      ["eu-west", "us-east", "tokyo"],
    );
    const quotas = await federation.cli("quota", "list", "--tenant", "demo", "--json");
    assert.ok(!quotas.stdout.includes("ap-south"), "and holds no share of a quota");
  });

  await during(THREE, async (federation) => {
    await answersFrom(federation, "ap-south", "render-markdown");
  });
});

async function during(
  zones: string,
  work: (federation: Federation) => Promise<void>,
): Promise<void> {
  const federation = await startFederationAt(state, basePort, "--zones", zones);
  try {
    await work(federation);
  } finally {
    await federation.end();
  }
}

/** The zone's own gateway has a call answered by the zone's own cluster. */
async function answersFrom(
  federation: Federation,
  zone: string,
  functionName: string,
): Promise<void> {
  await until(`${zone} answers for ${functionName} itself`, 20_000, async () => {
    const answer = await federation.request(`/v1/tenants/demo/functions/${functionName}:invoke`, {
      zone,
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json", "meridian-region": zone },
    });
    const isItself = answer.status === 200 && answer.headers.get("meridian-zone") === zone;
    if (!isItself) throw new Error(`${answer.status} ${answer.text.slice(0, 200)}`);
    return true;
  });
}
