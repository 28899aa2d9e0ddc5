import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { findEngine } from "../engines/find-engine.ts";
import { type RunningConsul, startConsul } from "../engines/start-consul.ts";
import { type Federation, startFederation, until } from "./support/federation.ts";

/** Keeps the callers of one gateway within a third of the tenant's rate, however quick the machine is. */
const PAUSE_MS = 10;

const engine = await findEngine("consul");

describe(
  "a federation whose programs find each other through Consul",
  { skip: engine.kind === "missing" ? engine.reason : false },
  () => {
    let consul: RunningConsul;
    let federation: Federation;
    before(async () => {
      assert.ok(engine.kind === "found");
      consul = await startConsul(engine.path);
      process.env["MERIDIAN_DISCOVERY"] = JSON.stringify({
        kind: "consul",
        address: consul.address,
        pollIntervalMs: 200,
      });
      federation = await startFederation();
      await until("every program is in Consul, and well", 30_000, async () => {
        const checks = await checksOf(consul);
        return checks.length === 9 && checks.every(({ Status: status }) => status === "passing")
          ? true
          : undefined;
      });
    });
    after(async () => {
      delete process.env["MERIDIAN_DISCOVERY"];
      await federation.stop();
      await consul.stop();
    });

    test("a cluster that Consul alone calls unhealthy stays in service and is called", async () => {
      const id = (await checksOf(consul)).find(({ ServiceID: service }) =>
        service.startsWith("meridian-agent-ap-south"),
      )?.ServiceID;
      await until("it serves its callers", 15_000, async () =>
        (await call(federation, "ap-south"))[1] === "ap-south" ? true : undefined,
      );
      await maintain(consul, id ?? "", true);
      await until("Consul calls it unhealthy", 5_000, async () =>
        (await checksOf(consul)).some(({ Status: status }) => status === "critical")
          ? true
          : undefined,
      );
      const endsAtMs = performance.now() + 6_000;
      while (performance.now() < endsAtMs) {
        assert.deepEqual(await call(federation, "ap-south"), [200, "ap-south"]);
        assert.equal(await stateOf(federation, "ap-south"), "up");
        await sleep(PAUSE_MS);
      }
      await maintain(consul, id ?? "", false);
    });

    test("Consul killed changes nothing for the calls, and a deploy and the loss of a zone go as ever", async (context) => {
      const load = keepCalling(federation, ["eu-west", "us-east"]);
      context.after(load.stop);
      await load.seen(50);
      consul.signal("SIGKILL");
      await load.seen(200);

      const deployed = await federation.cli("deploy", "examples/hello", "--name", "later");
      assert.equal(deployed.exitCode, 0, deployed.stderr);
      assert.equal((await call(federation, "us-east", "later"))[0], 200);

      assert.equal((await federation.cli("zone", "kill", "ap-south")).exitCode, 0);
      await until("the federation holds the cluster to be down", 15_000, async () =>
        (await stateOf(federation, "ap-south")) === "down" ? true : undefined,
      );
      assert.deepEqual(await call(federation, "ap-south"), [200, "eu-west"]);

      // It remembers where the others are; where it is itself, they learn when Consul is back.
      assert.equal((await federation.cli("zone", "start", "ap-south")).exitCode, 0);
      await load.seen(50);
      await consul.restart();
      await until("the zone is back", 60_000, async () =>
        (await stateOf(federation, "ap-south")) === "up" ? true : undefined,
      );
      assert.deepEqual(await load.stop(), [], "calls that failed");
    });
  },
);

interface Check {
  readonly ServiceID: string;
  readonly Status: string;
}
async function checksOf({ address }: RunningConsul): Promise<readonly Check[]> {
  const answer = await fetch(`${address}/v1/agent/checks`);
  const checks = Object.values((await answer.json()) as Record<string, Check>);
  return checks.filter(({ ServiceID: service }) => service.startsWith("meridian-"));
}

/** Consul's own word that a service is not to be used, whatever its check says. */
async function maintain({ address }: RunningConsul, id: string, isOn: boolean): Promise<void> {
  const path = `/v1/agent/service/maintenance/${id}?enable=${isOn}`;
  const answer = await fetch(address + path, { method: "PUT" });
  assert.equal(answer.status, 200, await answer.text());
}

/** As a caller near the zone, through a gateway that stays: how it ended, and who served it. */
async function call(
  federation: Federation,
  origin: string,
  name = "hello",
): Promise<[number, string]> {
  const { status, headers } = await federation.request(
    `/v1/tenants/demo/functions/${name}:invoke?region=${origin}`,
    {
      zone: "eu-west",
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    },
  );
  return [status, headers.get("meridian-zone") ?? "none"];
}

async function stateOf(federation: Federation, zone: string): Promise<string> {
  const { text } = await federation.request(`/v1/clusters/${zone}-1`, {
    as: "operator",
    zone: "eu-west",
  });
  return (JSON.parse(text) as { state: string }).state;
}

/** One caller near each zone, one call after another, until stopped. */
function keepCalling(federation: Federation, origins: readonly string[]) {
  const stopping = new AbortController();
  const failed: string[] = [];
  let done = 0;
  const lane = async (origin: string): Promise<void> => {
    while (!stopping.signal.aborted) {
      const [status, zone] = await call(federation, origin).catch(() => [0, "-"] as const);
      done += 1;
      if (status !== 200 || zone !== origin) failed.push(`${status} from ${zone} near ${origin}`);
      await sleep(PAUSE_MS);
    }
  };
  const running = Promise.all(origins.map(lane));
  return {
    seen: async (count: number) => {
      const target = done + count;
      await until(`${count} more calls`, 30_000, async () => (done >= target ? true : undefined));
    },
    stop: async (): Promise<readonly string[]> => {
      stopping.abort();
      await running;
      return failed;
    },
  };
}
