import assert from "node:assert/strict";
import type { Readable } from "node:stream";
import type { TestContext } from "node:test";
import { Agent, request } from "undici";
import type { Door } from "../../../../agents/drivers/door.ts";
import type { CallEnd } from "../../../../agents/drivers/driver.ts";
import { runtimeApiDoorway } from "../../../../agents/drivers/runtime-api/runtime-api-door.ts";

export const WALL_MS = 1_795_280_000_000;
const ROOT = "/2018-06-01/runtime";

export interface RuntimeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** A door whose instance is this test's process, and what a runtime asks of it. */
export interface OpenedDoor {
  readonly door: Door;
  readonly address: string;
  /** What the door told of its instance, in order. */
  readonly told: readonly string[];
  readonly next: () => Promise<RuntimeAnswer>;
  readonly post: (path: string, body: PostBody, headers?: Headers) => Promise<RuntimeAnswer>;
  readonly get: (path: string) => Promise<RuntimeAnswer>;
  readonly call: (requestId: string, event?: unknown) => Promise<CallEnd>;
}

type PostBody = string | Buffer | Readable;
type Headers = Readonly<Record<string, string>>;

export async function openDoor(
  t: TestContext,
  { concurrency = 1, pid = process.pid } = {},
): Promise<OpenedDoor> {
  const told: string[] = [];
  const door = runtimeApiDoorway(() => WALL_MS).open({
    id: "i-1",
    spec: {
      tenant: "demo",
      functionName: "greet",
      version: 4,
      runtime: "provided",
      handler: "bootstrap",
      codeDirectory: "/",
      memoryMegabytes: 128,
      concurrency,
      environment: {},
      initTimeoutMs: 1_000,
    },
    onReady: () => told.push("ready"),
    onInitError: (error) => told.push(`init error ${error.errorType}: ${error.errorMessage}`),
    onRefused: (reason) => told.push(`refused: ${reason}`),
    onLog: () => undefined,
    onHungUp: () => undefined,
  });
  const address = (await door.settings).environment["AWS_LAMBDA_RUNTIME_API"] ?? "";
  assert.match(address, /^127\.0\.0\.1:\d+$/);
  door.onProcess(pid);
  // Never the same connection for a poll and a post, so that neither waits behind the other.
  const dispatcher = new Agent({ pipelining: 1 });
  t.after(async () => {
    door.close({ kind: "lost" });
    await dispatcher.destroy();
  });
  const ask = async (
    method: "GET" | "POST",
    path: string,
    options: { readonly body?: PostBody; readonly headers?: Headers },
  ): Promise<RuntimeAnswer> => {
    const answer = await request(`http://${address}${path}`, { dispatcher, method, ...options });
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text: await answer.body.text(),
    };
  };
  return {
    door,
    address,
    told,
    get: (path) => ask("GET", path, {}),
    next: () => ask("GET", `${ROOT}/invocation/next`, {}),
    post: (path, body, headers = {}) => ask("POST", ROOT + path, { body, headers }),
    call: (requestId, event = {}) => door.invoke(headerOf(requestId), eventOf(event)).outcome,
  };
}

const eventOf = (event: unknown) =>
  ({ kind: "event", json: Buffer.from(JSON.stringify(event)) }) as const;

export const headerOf = (requestId: string) => ({
  requestId,
  deadlineMs: 3_000,
  tenant: "demo",
  functionName: "greet",
  functionVersion: "4",
  memoryMegabytes: 128,
});

/** The runtime asks, so that the door is ready, and gets this call. */
export async function callOnce(
  opened: OpenedDoor,
  requestId: string,
  event?: unknown,
): Promise<{ readonly polled: RuntimeAnswer; readonly outcome: Promise<CallEnd> }> {
  const polling = opened.next();
  await untilReady(opened);
  const outcome = opened.call(requestId, event);
  return { polled: await polling, outcome };
}

export async function untilReady({ told }: OpenedDoor): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!told.includes("ready")) {
    if (performance.now() > deadlineMs) throw new Error("the door was not ready within 10 s");
    await new Promise((resolve) => setImmediate(resolve));
  }
}
