import { join } from "node:path";
import type { InstanceSpec } from "../../agents/drivers/driver.ts";
import { openProcessDriver } from "./open-process-driver.ts";
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

// Without sandboxes: its functions wait for files of the test.
streamingContract("a handler that streams", async (t) => {
  const driver = await openProcessDriver(t, 0, "off");
  return {
    isEmptyWhole: false,
    start: (act, onLog) => driver.start({ ...SPEC, handler: `streams.${act}` }, onLog),
    call: (instance, _act, event) =>
      instance.invoke(HEADER, { kind: "event", json: Buffer.from(JSON.stringify(event)) }),
  };
});

streamingContract("a function that is a server", async (t) => {
  const driver = await openProcessDriver(t, 0, "off");
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
