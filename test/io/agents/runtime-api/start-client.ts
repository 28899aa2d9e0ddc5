import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { CallEnd, Instance, InstanceLog } from "../../../../agents/drivers/driver.ts";
import { openProcessDriver } from "../../../contract/open-process-driver.ts";

/* AWS's own runtime clients, as they are published, on our Runtime API: an outside opinion of whether that is AWS's. */

export interface StartedClient {
  readonly instance: Instance;
  readonly lines: readonly InstanceLog[];
}

/** The function `greet@4` of `demo`, whose `bootstrap` starts the client. */
export async function startClient(
  t: TestContext,
  codeDirectory: string,
  handler: string,
  concurrency = 1,
): Promise<StartedClient> {
  // Without a sandbox: what the client was installed for may lie where none shows it.
  const driver = await openProcessDriver(t, 0, "off");
  const lines: InstanceLog[] = [];
  const instance = driver.start(
    {
      tenant: "demo",
      functionName: "greet",
      version: 4,
      runtime: "provided",
      handler,
      codeDirectory,
      memoryMegabytes: 256,
      concurrency,
      environment: {},
      initTimeoutMs: 20_000,
    },
    (line) => lines.push(line),
  );
  return { instance, lines };
}

export async function callClient(
  { instance }: StartedClient,
  requestId: string,
  event: unknown,
): Promise<CallEnd> {
  const started = await instance.started;
  assert.equal(started.kind, "ready", JSON.stringify(started));
  const header = {
    requestId,
    deadlineMs: 5_000,
    tenant: "demo",
    functionName: "greet",
    functionVersion: "4",
    memoryMegabytes: 256,
  };
  const json = Buffer.from(JSON.stringify(event));
  return instance.invoke(header, { kind: "event", json }).outcome;
}

export function resultOf(end: CallEnd): Record<string, unknown> {
  assert.equal(end.kind, "result", JSON.stringify(end));
  return JSON.parse(end.json.toString("utf8"));
}
