import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { CATALOG_PATHS } from "#lib/contracts/catalog-wire.ts";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";
import { toProblem } from "#lib/problem.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import { failsWith, put } from "../../contract/catalog/support.ts";
import { BOOT_TOKEN, connectTo, serveCatalog } from "./support/open-catalogs.ts";

const LIMITS = { callTimeoutMs: 600, stallMs: 300 };
const TRANSACTION = { compares: [], operations: [put("k")] };

interface LostCase {
  readonly name: string;
  readonly answer: RequestListener;
  /** What a transaction's caller is told; a read's is always told that the catalog is unavailable. */
  readonly txn: "MERIDIAN_WRITE_AMBIGUOUS" | "MERIDIAN_CATALOG_UNAVAILABLE";
}

const notFound = toProblem(new MeridianError("MERIDIAN_NOT_FOUND", "There is no such page."));
const lostCases: readonly LostCase[] = [
  {
    name: "the connection breaks after the request",
    answer: (request) => void request.resume().on("end", () => request.socket.destroy()),
    txn: "MERIDIAN_WRITE_AMBIGUOUS",
  },
  {
    name: "no answer comes",
    answer: (request) => void request.resume(),
    txn: "MERIDIAN_WRITE_AMBIGUOUS",
  },
  {
    name: "the answer breaks off",
    answer: (_request, response) => {
      response.writeHead(200, { "content-length": 100 });
      response.write(`{"kind":"comm`, () => response.destroy());
    },
    txn: "MERIDIAN_WRITE_AMBIGUOUS",
  },
  {
    name: "the answer makes no sense",
    answer: (_request, response) => void response.end(`{"kind":"committed","revision":"one"}`),
    txn: "MERIDIAN_WRITE_AMBIGUOUS",
  },
  {
    name: "another program of this project has the port now",
    answer: (_request, response) => void response.writeHead(404).end(JSON.stringify(notFound)),
    txn: "MERIDIAN_CATALOG_UNAVAILABLE",
  },
  {
    name: "a stranger has the port now",
    answer: (_request, response) => void response.writeHead(400).end("what?"),
    txn: "MERIDIAN_CATALOG_UNAVAILABLE",
  },
];
for (const { name, answer, txn } of lostCases)
  test(`${name}: a transaction is ${txn}, and a read is unavailable`, async (t) => {
    const bodies: string[] = [];
    const catalog = await connectToServer(t, (request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += String(chunk)));
      request.on("end", () => bodies.push(body));
      answer(request, response);
    });
    await assert.rejects(catalog.txn(TRANSACTION), failsWith(txn));
    const sendings = bodies.splice(0);
    if (txn === "MERIDIAN_WRITE_AMBIGUOUS") assert.ok(sendings.length > 1, "it is asked for again");
    else assert.equal(sendings.length, 1, "what is told to be elsewhere is not asked for again");
    assert.equal(new Set(sendings).size, 1, "under the same id");

    const isUnavailable = failsWith("MERIDIAN_CATALOG_UNAVAILABLE");
    await assert.rejects(catalog.range({ prefix: "" }), isUnavailable);
    // The first try of a read that gets no answer takes all the time there is.
    assert.equal(bodies.length, name === "no answer comes" ? 1 : 2);
    const signal = new AbortController().signal;
    const watch = catalog.watch({ prefix: "", afterRevision: 0 }, signal);
    await assert.rejects(async () => {
      for await (const event of watch) assert.fail(`delivered ${event.kind}`);
    }, isUnavailable);
  });

test("no two transactions have one id", async (t) => {
  const operationIds: unknown[] = [];
  const catalog = await connectToServer(t, (request, response) => {
    request.on("data", (chunk) => operationIds.push(JSON.parse(String(chunk)).operationId));
    request.on("end", () => response.end(`{"kind":"committed","revision":1}`));
  });
  for (let index = 0; index < 3; index++) await catalog.txn(TRANSACTION);
  assert.equal(new Set(operationIds).size, 3);
  assert.ok(operationIds.every((id) => typeof id === "string" && id.length <= 64));
});

test("a watch that falls silent in the middle is broken off; a reader that is slow is not", async (t) => {
  const progress = JSON.stringify({ kind: "progress", incarnation: "one", revision: 1 });
  const catalog = await connectToServer(t, (_request, response) => {
    response.writeHead(200);
    response.write(`${progress}\n${progress}\n`);
  });
  let events = 0;
  const watch = catalog.watch({ prefix: "", afterRevision: 0 }, new AbortController().signal);
  const reading = async (): Promise<void> => {
    for await (const event of watch) {
      assert.equal(event.kind, "progress");
      events += 1;
      await new Promise((resolve) => setTimeout(resolve, LIMITS.stallMs * 2));
    }
  };
  await assert.rejects(reading(), /silent/);
  assert.equal(events, 2);
});

test("the catalog's door refuses what is not a call, each with its own code", async (t) => {
  const { url } = await serveCatalog(t);
  const token = { [INVOCATION_HEADERS.bootToken]: BOOT_TOKEN };
  const post = (path: string, body: string, headers: Record<string, string> = token) =>
    fetch(`${url}${path}`, { method: "POST", body, headers });
  const { txn, watch } = CATALOG_PATHS;
  const cases: readonly (readonly [Promise<Response>, number, string])[] = [
    [post(txn, "{}", {}), 401, "MERIDIAN_UNAUTHENTICATED"],
    [post(txn, "{}", { [INVOCATION_HEADERS.bootToken]: "no" }), 401, "MERIDIAN_UNAUTHENTICATED"],
    [post("/internal/nothing", "{}"), 404, "MERIDIAN_NOT_FOUND"],
    [fetch(`${url}${txn}`, { headers: token }), 405, "MERIDIAN_METHOD_NOT_ALLOWED"],
    [post(txn, "{"), 400, "MERIDIAN_BODY_INVALID_JSON"],
    [post(txn, `{"compares":[]}`), 400, "MERIDIAN_BAD_REQUEST"],
    [post(txn, `{"compares":[],"operations":[],"more":1}`), 400, "MERIDIAN_BAD_REQUEST"],
    [post(watch, `{"prefix":"","afterRevision":-1}`), 400, "MERIDIAN_BAD_REQUEST"],
    [post(watch, `{"prefix":"ä","afterRevision":0}`), 400, "MERIDIAN_BAD_REQUEST"],
    [post(txn, `"${"x".repeat(9_000_000)}"`), 413, "MERIDIAN_BODY_TOO_LARGE"],
  ];
  for (const [answering, status, code] of cases) {
    const response = await answering;
    const problem = (await response.json()) as Record<string, unknown>;
    assert.deepEqual(
      [response.status, problem["code"], problem["program"]],
      [status, code, "catalog"],
      JSON.stringify(problem),
    );
  }
});

async function connectToServer(t: TestContext, answer: RequestListener): Promise<Catalog> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return connectTo(t, `http://127.0.0.1:${port}`, LIMITS);
}
