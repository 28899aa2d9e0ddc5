import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { CATALOG_PATHS } from "#lib/contracts/catalog-wire.ts";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { commit, put, until, watching } from "../../contract/catalog/support.ts";
import { catalogProcess } from "./support/catalog-process.ts";
import { BOOT_TOKEN } from "./support/open-catalogs.ts";

const VALUE = "v".repeat(60_000);
const WRITES = 200;

/*
 * A zone whose federator is frozen, as the catalog sees it: its connections stay open and take nothing. By what is written here
 * meanwhile, the kernel's buffers are full, and what follows has to wait in the catalog or nowhere.
 */
test("clients that read nothing, or stop in the middle of a question, delay no write and no watch of others", async (t) => {
  const process = await catalogProcess(t);
  await process.start();
  const { internal } = await process.endpoint();
  const catalog = process.connect({ callTimeoutMs: 5_000 });
  const first = await commit(catalog, put("k/0"));

  const query = JSON.stringify({ prefix: "", afterRevision: 0 });
  const stuck = await Promise.all(
    Array.from({ length: 20 }, () => ask(t, internal, CATALOG_PATHS.watch, query, query.length)),
  );
  for (const socket of stuck) socket.pause();
  const asking = JSON.stringify({ compares: [], operations: [put("k/half", VALUE)] });
  for (let count = 0; count < 20; count++)
    await ask(t, internal, CATALOG_PATHS.txn, asking.slice(0, 1_000), asking.length);

  const watcher = watching(t, catalog, "k/", first);
  const memoryBefore = await residentBytes(process);
  for (let index = 0; index < WRITES; index++) await commit(catalog, put(`k/${index}`, VALUE));
  await watcher.until(() => watcher.revisions().length === WRITES, "the other watch has it all");
  const grown = (await residentBytes(process)) - memoryBefore;
  // 20 readers × 12 MB would be 240 MB.
  assert.ok(grown < 120_000_000, `the catalog process grew by ${grown} bytes`);

  // The one that goes on gets everything that it has missed.
  const [resumed] = stuck;
  assert.ok(resumed !== undefined);
  let heard = "";
  resumed.on("data", (chunk) => (heard += String(chunk)));
  resumed.resume();
  await until(() => heard.includes(`"key":"k/${WRITES - 1}"`), "it reads on to the end");
});

/** Sends the head of a call and this much of its body. */
async function ask(
  t: TestContext,
  url: string,
  path: string,
  body: string,
  length: number,
): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  t.after(() => socket.destroy());
  const head = [
    `POST ${path} HTTP/1.1`,
    `host: ${hostname}`,
    `${INVOCATION_HEADERS.bootToken}: ${BOOT_TOKEN}`,
    `content-length: ${length}`,
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

async function residentBytes({
  endpoint,
}: Pick<Awaited<ReturnType<typeof catalogProcess>>, "endpoint">): Promise<number> {
  const { admin } = await endpoint();
  const metrics = await (await fetch(`${admin}/metrics`)).text();
  const [, bytes] = /process_resident_memory_bytes\S* (\d+)/.exec(metrics) ?? [];
  return Number(bytes);
}
