import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { identifyProcess, isStillRunning } from "#lib/io/process-identity.ts";
import { freePorts } from "#lib/io/free-ports.ts";
import { findEngine } from "../../engines/find-engine.ts";
import { startEtcd } from "../../engines/start-etcd.ts";
import {
  type Federation,
  isAlive,
  meridian,
  startFederation,
  startFederationAt,
  until,
} from "../support/federation.ts";

const etcd = await findEngine("etcd");
const skip = etcd.kind === "missing" ? etcd.reason : false;
const ZONES = ["eu-west", "us-east", "ap-south"];

describe("a catalog with a member in each zone", { skip }, () => {
  let federation: Federation;
  before(async () => {
    federation = await startFederation("--catalog", "etcd");
  });
  after(() => federation.stop());

  test("a zone that dies with its member stops nobody's writes, whichever zone it is", async () => {
    for (const zone of ZONES) {
      const killed = await federation.cli("zone", "kill", zone);
      assert.equal(killed.exitCode, 0, killed.stderr);
      await deploy(federation);
      const started = await federation.cli("zone", "start", zone);
      assert.equal(started.exitCode, 0, started.stderr);
      await until(`${zone} has every revision`, 20_000, () => hasCaughtUp(federation));
    }
  });

  test("a member that lost its data joins again and takes its part", async () => {
    await federation.cli("zone", "kill", "us-east");
    await rm(join(federation.state, "zones/us-east/etcd"), { recursive: true });
    const started = await federation.cli("zone", "start", "us-east");
    assert.equal(started.exitCode, 0, started.stderr);
    // A quorum of three with one of the others gone takes the one that joined again.
    await federation.cli("zone", "kill", "eu-west");
    await until("the member that joined again makes up the quorum", 20_000, async () => {
      const deployed = await federation.cli("deploy", "examples/hello", "--tenant", "demo");
      return deployed.exitCode === 0 ? true : undefined;
    });
    await federation.cli("zone", "start", "eu-west");
  });

  test("a member whose etcd, or whose own process, is killed is started again", async () => {
    for (const victim of ["etcd", "keeper"]) {
      const member = await etcdPid(federation, "ap-south");
      const keeper = (await runFile(federation, "ap-south", "catalog")).pid;
      process.kill(victim === "etcd" ? member : keeper, "SIGKILL");
      await until("another process serves the member", 20_000, async () => {
        const pid = await etcdPid(federation, "ap-south");
        return pid !== member && isAlive(pid) && !isAlive(member) ? true : undefined;
      });
      await deploy(federation);
    }
  });

  test("nobody gets in without the password", async () => {
    const { urls } = await runFile(federation, "eu-west", "catalog");
    const answer = await fetch(`${urls["internal"]}/v3/kv/range`, {
      method: "POST",
      body: JSON.stringify({ key: "AA==", range_end: "AA==" }),
    });
    assert.notEqual(answer.status, 200);
  });

  test("kill -9 of up leaves no member behind, and the next start has every function", async () => {
    const members = await Promise.all(ZONES.map((zone) => etcdPid(federation, zone)));
    const identities = members.flatMap((pid) => identifyProcess(pid) ?? []);
    assert.equal(identities.length, ZONES.length);
    federation.up.kill("SIGKILL");
    await until("every member is gone", 20_000, async () =>
      identities.some(isStillRunning) ? undefined : true,
    );
    const port = String(federation.basePort);
    const embedded = ["--catalog", "embedded", "--port", port, "--state", federation.state];
    const wrongKind = await meridian("up", ...embedded);
    assert.match(wrongKind.stderr, /--catalog/);
    federation = await startFederationAt(federation.state, federation.basePort);
    const listed = await federation.cli("list", "--tenant", "demo");
    assert.match(listed.stdout, /hello/);
  });
});

describe("a catalog in somebody else's etcd", { skip }, () => {
  test("everything serves from it, and nothing of it is ended", async () => {
    assert.ok(etcd.kind === "found");
    const own = await startEtcd(etcd.path);
    const state = await mkdtemp(join(tmpdir(), "meridian-system-"));
    try {
      const federation = await startFederationAt(
        state,
        await freePorts(4),
        "--catalog-endpoints",
        own.endpoint,
      );
      const answer = await federation.request("/v1/tenants/demo/functions/hello:invoke", {
        method: "POST",
        body: "{}",
        headers: { "content-type": "application/json" },
      });
      assert.equal(answer.status, 200, answer.text);
      await deploy(federation);
      await federation.stop();
      assert.ok(isAlive(own.pid));
    } finally {
      await own.stop();
    }
  });
});

async function deploy(federation: Federation): Promise<void> {
  await until("a deploy succeeds", 20_000, async () => {
    const deployed = await federation.cli("deploy", "examples/hello", "--tenant", "demo");
    if (deployed.exitCode !== 0) throw new Error(deployed.stderr);
    return true;
  });
}

async function hasCaughtUp(federation: Federation): Promise<true | undefined> {
  const { stdout } = await federation.cli("status", "--json");
  const status: {
    readonly silentZones: readonly string[];
    readonly zones: readonly { readonly position: { readonly revision: number } | null }[];
  } = JSON.parse(stdout);
  const revisions = new Set(status.zones.map(({ position }) => position?.revision));
  return status.silentZones.length === 0 && revisions.size === 1 ? true : undefined;
}

async function runFile(
  federation: Federation,
  zone: string,
  program: string,
): Promise<{ readonly pid: number; readonly urls: Readonly<Record<string, string>> }> {
  const file = join(federation.state, "run", `${zone}.${program}.json`);
  return JSON.parse(await readFile(file, "utf8"));
}

async function etcdPid(federation: Federation, zone: string): Promise<number> {
  const file = join(federation.state, "zones", zone, "etcd.process.json");
  const { pid }: { readonly pid: number } = JSON.parse(await readFile(file, "utf8"));
  return pid;
}
