import { join } from "node:path";
import { before, type TestContext, test } from "node:test";
import type { InstanceDriver } from "../../agents/drivers/driver.ts";
import { type DriverHarness, driverContract } from "../contract/driver.contract.ts";
import { eventually } from "../io/agents/support/agent-world.ts";
import { noCluster, openKubernetesDriver, prepareNamespace } from "./driver-cluster.ts";

const FUNCTIONS = join(import.meta.dirname, "../contract/functions");

if (noCluster === undefined) {
  before(prepareNamespace);
  for (const runtime of ["node", "python"] as const)
    driverContract(`kubernetes driver, ${runtime}`, (t) => openHarness(t, runtime, 0));
  driverContract("kubernetes driver, pooled node", (t) => openHarness(t, "node", 2));
} else test("kubernetes driver", { skip: noCluster });

async function openHarness(
  t: TestContext,
  runtime: "node" | "python",
  warmPodsMax: number,
): Promise<DriverHarness> {
  const driver = await openKubernetesDriver(t, { zone: `contract-${runtime}` }, { warmPodsMax });
  const start = startOn(driver, runtime);
  if (warmPodsMax > 0) await eventually(async () => isWarm(start));
  return { driver, start };
}

/** Whether a start finds a pod that waits; two are kept, so that there is one more. */
async function isWarm(start: DriverHarness["start"]): Promise<boolean> {
  const instance = start("echoes");
  const started = await instance.started;
  instance.kill();
  await instance.ended;
  return started.kind === "ready" && started.isPooled === true;
}

const startOn =
  (driver: InstanceDriver, runtime: "node" | "python"): DriverHarness["start"] =>
  (behaviour, onLog = () => undefined, concurrency = 1) =>
    driver.start(
      {
        tenant: "demo",
        functionName: "contract",
        version: 1,
        runtime,
        handler: behaviour === "doesNotLoad" ? "broken.handler" : `contract.${behaviour}`,
        codeDirectory: FUNCTIONS,
        memoryMegabytes: 128,
        concurrency,
        environment: {},
        initTimeoutMs: 10_000,
      },
      onLog,
    );
