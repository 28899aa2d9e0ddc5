import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Runtime } from "#lib/contracts/function-manifest.ts";
import { hasPython } from "../support/has-python.ts";
import type { InstanceDriver, InstanceSpec } from "../../agents/drivers/driver.ts";
import { createMemoryDriver, type MemoryHandler } from "../../agents/drivers/memory.ts";
import {
  BEHAVIOURS,
  type Behaviour,
  type DriverHarness,
  driverContract,
} from "./driver.contract.ts";
import { openProcessDriver } from "./open-process-driver.ts";

const FUNCTIONS = join(import.meta.dirname, "functions");

driverContract("memory driver", async () =>
  harness(createMemoryDriver(loadMemoryHandler), "node", "memory"),
);

/** Instances start in runners that wait for them, as far as there are some. */
const POOL_MEGABYTES = 48;

driverContract("process driver, node", (t) => processHarness(t, "node"));

driverContract("process driver, pooled node", (t) => processHarness(t, "node", POOL_MEGABYTES));

if (hasPython()) {
  driverContract("process driver, python", (t) => processHarness(t, "python"));
  driverContract("process driver, pooled python", (t) =>
    processHarness(t, "python", POOL_MEGABYTES),
  );
} else test("process driver, python", { skip: "python3 was not found on this machine" });

driverContract("process driver, provided", (t) => processHarness(t, "provided"));

async function processHarness(
  t: TestContext,
  runtime: Runtime,
  poolMegabytesMax?: number,
): Promise<DriverHarness> {
  const driver = await openProcessDriver(t, poolMegabytesMax);
  return harness(driver, runtime, "contract");
}

function harness(driver: InstanceDriver, runtime: Runtime, file: string): DriverHarness {
  return {
    driver,
    start: (behaviour, onLog = () => undefined, concurrency = 1) => {
      const isProvided = runtime === "provided";
      const isBroken = behaviour === "doesNotLoad" && file !== "memory" && !isProvided;
      const named = isProvided ? behaviour : `${file}.${behaviour}`;
      const spec: InstanceSpec = {
        tenant: "demo",
        functionName: "contract",
        version: 1,
        runtime,
        handler: isBroken ? "broken.handler" : named,
        codeDirectory: isProvided ? join(FUNCTIONS, "provided") : FUNCTIONS,
        memoryMegabytes: 128,
        concurrency,
        environment: {},
        initTimeoutMs: 10_000,
      };
      return driver.start(spec, onLog);
    },
  };
}

const memoryHandlers: Readonly<Record<Behaviour, MemoryHandler>> = {
  echoes: (event, { requestId }) => ({ event, requestId }),
  answersNothing: () => undefined,
  throws: () => {
    throw new Error("too far");
  },
  neverAnswers: () => new Promise(() => undefined),
  exitsWith7: (_event, { exit }) => exit(7),
  printsOneLine: (_event, { log }) => log("one line\n"),
  sleepsEventMs: async (event) => {
    const { ms } = event as { ms: number };
    await sleep(ms);
    return { ms };
  },
  doesNotLoad: () => undefined,
};

function loadMemoryHandler({ handler }: InstanceSpec): MemoryHandler {
  const behaviour = BEHAVIOURS.find((name) => handler === `memory.${name}`);
  if (behaviour === undefined || behaviour === "doesNotLoad")
    throw new Error("Cannot find package 'a-package-that-is-not-there'");
  return memoryHandlers[behaviour];
}
