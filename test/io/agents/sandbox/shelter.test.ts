import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import type { InstanceSpec } from "../../../../agents/drivers/driver.ts";
import { RUNTIMES } from "../../../../agents/drivers/instance-command.ts";
import { hostProbe } from "../../../../agents/drivers/probe-host.ts";
import { openShelter } from "../../../../agents/drivers/sandbox/shelter.ts";
import { eventually } from "../support/agent-world.ts";
import { sandboxObstacle } from "../support/sandbox-here.ts";

const skip = await sandboxObstacle();

const GUARDED: InstanceSpec = {
  tenant: "demo",
  functionName: "guarded",
  version: 1,
  runtime: "node",
  handler: "index.handler",
  codeDirectory: "/",
  memoryMegabytes: 128,
  concurrency: 1,
  environment: {},
  network: "none",
  initTimeoutMs: 1_000,
};

test(
  "where the canary cannot be asked, who asks for a level is told why, and it is tried again",
  { skip },
  async (t) => {
    const stateDirectory = await mkdtemp(join(tmpdir(), "shelter-"));
    t.after(() => rm(stateDirectory, { recursive: true, force: true }));
    let starts = 0;
    const shelter = await openShelter({
      stateDirectory,
      agentDirectory: stateDirectory,
      runtimeDirectory: join(RUNTIMES, "node"),
      sandbox: "auto",
      prefix: "test",
      send: () => undefined,
      probeHost: hostProbe(),
      start: () => {
        starts += 1;
        throw new Error("no process is to be had");
      },
      log: pino({ level: "silent" }),
    });
    t.after(shelter.close);
    const [obstacle, none] = await Promise.all([
      shelter.obstacle(GUARDED),
      shelter.obstacle({ ...GUARDED, network: "outbound" }),
    ]);
    assert.match(String(obstacle), /^it asks for L2, and this cluster has proved L0; /);
    assert.match(String(obstacle), /the canary could not be asked: no process is to be had$/);
    assert.equal(none, undefined);
    assert.match(
      String(shelter.isolation.get()?.notes[0]),
      /could not be asked, and will be again/,
    );
    await eventually(() => starts >= 2);
    assert.match(
      String(await shelter.obstacle({ ...GUARDED, minIsolation: "L4" })),
      /asks for L4.*gVisor/,
    );
  },
);
