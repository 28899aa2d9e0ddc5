import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import { keepPublished, publishEndpoint, runDirectoryDiscovery } from "#lib/io/run-directory.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import { endpointOf } from "../../contract/discovery.contract.ts";
import { until } from "../federator/support/until.ts";

const AGENT = endpointOf("agent", "eu-west", "first");
const SUCCESSOR = endpointOf("agent", "eu-west", "second");

test("what was known last is known still while all files are gone, until another has the place", async (context) => {
  const folder = await temporaryFolder(context);
  await publishEndpoint(folder, AGENT);
  const discovery = runDirectoryDiscovery(folder);
  await untilListed(discovery, AGENT);
  await rm(folder, { recursive: true });
  await readings(discovery, 3);
  assert.deepEqual(await discovery.list(), [AGENT]);

  await publishEndpoint(folder, SUCCESSOR);
  await untilListed(discovery, SUCCESSOR);
});

test("a file that is damaged is no reason to forget the program", async (context) => {
  const folder = await temporaryFolder(context);
  await publishEndpoint(folder, AGENT);
  const discovery = runDirectoryDiscovery(folder);
  await untilListed(discovery, AGENT);
  await writeFile(join(folder, "eu-west.agent.json"), "{");
  await readings(discovery, 3);
  assert.deepEqual(await discovery.list(), [AGENT]);
});

for (const [harm, done] of [
  ["deleted", (file: string) => rm(file)],
  ["emptied", (file: string) => writeFile(file, "")],
  ["damaged", (file: string) => writeFile(file, '{"program":"agent"')],
  ["deleted with its folder", (file: string) => rm(join(file, ".."), { recursive: true })],
] as const)
  test(`an endpoint's file that was ${harm} is written again`, async (context) => {
    const { file, folder } = await keptAgent(context);
    await done(file);
    await untilListed(runDirectoryDiscovery(folder), AGENT);
  });

test("the file of a successor is left alone, and so is everything once it is closed", async (context) => {
  const { file, folder, close } = await keptAgent(context);
  await publishEndpoint(folder, SUCCESSOR);
  const discovery = runDirectoryDiscovery(folder);
  await readings(discovery, 8);
  assert.deepEqual(await discovery.list(), [SUCCESSOR]);
  await close();
  await rm(file);
  await readings(discovery, 8);
  await assert.rejects(readFile(file), { code: "ENOENT" });
});

async function keptAgent(context: TestContext) {
  const folder = await temporaryFolder(context);
  const kept = await keepPublished(folder, AGENT);
  context.after(kept.close);
  return { folder, file: join(folder, "eu-west.agent.json"), close: kept.close };
}

/** Waits until it has read its folder so many times more: each reading is another promise. */
async function readings(discovery: Discovery, count: number): Promise<void> {
  for (let done = 0; done < count; done++) {
    const before = discovery.list();
    await until("it reads again", async () => discovery.list() !== before);
  }
}

const untilListed = (discovery: Discovery, endpoint: RunEndpoint): Promise<void> =>
  until(`${endpoint.bootId} is listed`, async () => {
    const [listed] = await discovery.list();
    return listed?.bootId === endpoint.bootId;
  });

async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "meridian-run-"));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
