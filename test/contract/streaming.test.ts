import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pino } from "pino";
import type { InstanceDriver, InstanceSpec } from "../../agents/drivers/driver.ts";
import { createProcessDriver } from "../../agents/drivers/process.ts";
import { streamingContract } from "./streaming.contract.ts";

const SPEC: InstanceSpec = {
  tenant: "demo",
  functionName: "streaming",
  version: 1,
  runtime: "node",
  handler: "",
  codeDirectory: join(import.meta.dirname, "functions"),
  memoryMegabytes: 128,
  concurrency: 4,
  environment: {},
  initTimeoutMs: 10_000,
};
const HEADER = {
  requestId: "r-1",
  deadlineMs: 20_000,
  tenant: "demo",
  functionName: "streaming",
  functionVersion: "1",
  memoryMegabytes: 128,
};

streamingContract("a handler that streams", async (t) => {
  const driver = await openDriver(t);
  return {
    isEmptyWhole: false,
    start: (act, onLog) => driver.start({ ...SPEC, handler: `streams.${act}` }, onLog),
    call: (instance, _act, event) =>
      instance.invoke(HEADER, { kind: "event", json: Buffer.from(JSON.stringify(event)) }),
  };
});

streamingContract("a function that is a server", async (t) => {
  const driver = await openDriver(t);
  return {
    isEmptyWhole: true,
    start: (_act, onLog) =>
      driver.start({ ...SPEC, interface: "http", handler: "server.mjs" }, onLog),
    call: (instance, act, event) => {
      const query = new URLSearchParams(event as Record<string, string>);
      const target = `/${act}?${query.toString()}`;
      const request = { method: "GET", target, headers: {}, body: Buffer.alloc(0) };
      return instance.invoke(HEADER, { kind: "request", request });
    },
  };
});

async function openDriver(t: TestContext): Promise<InstanceDriver> {
  const directory = await mkdtemp(join(tmpdir(), "driver-"));
  // Its first word comes with its launcher, whose own start is not what is tested here.
  const connected = Promise.withResolvers<void>();
  const driver = await createProcessDriver({
    stateDirectory: directory,
    socketDirectory: directory,
    launcherGraceMs: 2_000,
    log: pino({ level: "silent" }),
    onPids: () => connected.resolve(),
  });
  t.after(async () => {
    await driver.close();
    await rm(directory, { recursive: true, force: true });
  });
  await connected.promise;
  return driver;
}
