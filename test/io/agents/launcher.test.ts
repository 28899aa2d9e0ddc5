import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pino } from "pino";
import type { InstanceDriver, InstanceSpec } from "../../../agents/drivers/driver.ts";
import { createProcessDriver } from "../../../agents/drivers/process.ts";

/** Of whatever a driver logs as an error. */
const complaints = new EventEmitter();

const FUNCTIONS = join(import.meta.dirname, "../../contract/functions");

const HEADER = {
  requestId: "r-1",
  deadlineMs: 5_000,
  tenant: "somebody-else",
  functionName: "contract",
  functionVersion: "1",
  memoryMegabytes: 128,
};

/** The first two make `spawn` throw, the last one fails later. */
const unstartable: readonly { readonly name: string; readonly wish: Partial<InstanceSpec> }[] = [
  { name: "an environment with a NUL", wish: { environment: { V: "a\0b" } } },
  { name: "an environment that is too big", wish: { environment: { V: "x".repeat(4_000_000) } } },
  { name: "a folder that is not there", wish: { codeDirectory: "/nowhere/at/all" } },
];

for (const { name, wish } of unstartable)
  test(`${name} is the matter of its instance alone: others go on`, async (context) => {
    const { driver, folder } = await openDriver(context);
    const neighbour = driver.start(spec("somebody-else", {}), () => undefined);
    assert.equal((await neighbour.started).kind, "ready");

    const instance = driver.start(spec("hostile", wish), () => undefined);
    assert.notEqual((await instance.started).kind, "ready");

    const call = neighbour.invoke(HEADER, { kind: "event", json: Buffer.from("{}") });
    assert.equal((await call.outcome).kind, "result");
    assert.ok(driver.list().some(({ id }) => id === neighbour.id));
    assert.equal(await readFile(join(folder, "launcher.log"), "utf8"), "");
  });

test("a launcher whose settings cannot be written starts once they can be, and what waited runs", async (context) => {
  const { driver, folder } = await openDriver(context, async (state) => {
    await mkdir(join(state, "launcher.json", "in-the-way"), { recursive: true });
  });
  const instance = driver.start(spec("patient", {}), () => undefined);
  await once(complaints, "complaint");
  await rm(join(folder, "launcher.json"), { recursive: true });
  assert.equal((await instance.started).kind, "ready");
});

function spec(tenant: string, wish: Partial<InstanceSpec>): InstanceSpec {
  return {
    tenant,
    functionName: "contract",
    version: 1,
    runtime: "node",
    handler: "contract.echoes",
    codeDirectory: FUNCTIONS,
    memoryMegabytes: 128,
    concurrency: 1,
    environment: {},
    initTimeoutMs: 10_000,
    ...wish,
  };
}

async function openDriver(
  context: TestContext,
  prepare: (folder: string) => Promise<unknown> = () => Promise.resolve(),
): Promise<{ readonly driver: InstanceDriver; readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), "launcher-"));
  await prepare(folder);
  const driver = await createProcessDriver({
    stateDirectory: folder,
    socketDirectory: folder,
    launcherGraceMs: 2_000,
    log: pino({ level: "error" }, { write: () => complaints.emit("complaint") }),
    onPids: () => undefined,
  });
  context.after(async () => {
    await driver.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { driver, folder };
}
