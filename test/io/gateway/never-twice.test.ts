import assert from "node:assert/strict";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Random } from "#lib/ports/random.ts";
import { startInvokeServer } from "../../../agents/io/invoke-server.ts";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { threeZones } from "../../core/gateway/zones.ts";
import { seededRandom } from "../../simulation/engine/seeded-random.ts";
import { type FakeFederator, startFakeFederator } from "./fake-federator.ts";
import { BOOT_TOKEN, tableEntries, type TestFederation, testFederation } from "./run-gateway.ts";

/*
 * Invariant 9, counted where it matters: calls pass a real gateway and real links to agents whose connections are cut at random
 * bytes and stalled at random moments. `MERIDIAN_FAULTS=10000` for the long run.
 */
const FAULTS = Number(process.env["MERIDIAN_FAULTS"] ?? 60);
/** A long run has more of everything at a time, or it would take half an hour. */
const IS_LONG = FAULTS > 1_000;
const CALLERS = IS_LONG ? 32 : 8;
const CUT_BYTES_MAX = IS_LONG ? 4_000 : 12_000;
const STALL_MAX_MS = 300;
const SEED = process.env["MERIDIAN_SEED"] ?? "never twice";
/** Answers that say that the handler was not started. */
const NOT_STARTED = new Set([
  "MERIDIAN_NO_CLUSTER",
  "MERIDIAN_DEADLINE_EXCEEDED",
  "MERIDIAN_OVERLOADED",
]);

const random = seededRandom(SEED);
const starts = new Map<string, number>();
const undo: (() => Promise<void> | void)[] = [];
let faults = 0;
const isEnough = (): boolean => faults >= FAULTS;
let federation: TestFederation;
let federator: FakeFederator;
let gateway: RunningGateway;

before(async () => {
  federation = await testFederation();
  federator = await startFakeFederator();
  await federation.publish("federator", "eu-west", federator.url);
  const functions = [{ name: "once" }, { name: "again", idempotent: true }];
  federator.sendTable(tableEntries({ functions, limits: ENOUGH }), 1);
  federator.grantAll();
  for (const { name } of threeZones)
    await federation.publish("agent", name, await faultyWay(await startCountingAgent(name)));
  gateway = await federation.startGateway();
});
after(async () => {
  await gateway.stop();
  for (const step of undo.toReversed()) await step();
  await federator.close();
  await federation.remove();
});

test(`through ${FAULTS} faults no call that is not idempotent starts twice, and none that is said not to have started did`, async () => {
  const tally = new Map<string, number>();
  const count = (what: string): unknown => tally.set(what, (tally.get(what) ?? 0) + 1);
  const wrong: string[] = [];
  const caller = async (number: number): Promise<void> => {
    for (let index = 0; !isEnough(); index += 1) {
      const functionName = random.next() < 0.7 ? "once" : "again";
      const id = `${functionName}-${number}-${index}`;
      const { status, code } = await call(functionName, id);
      const began = starts.get(id) ?? 0;
      count(`${functionName} ${code ?? status}`);
      if (functionName === "once" && began > 1) wrong.push(`${id} began ${began} times`);
      if (status === 200 && began === 0) wrong.push(`${id} was answered and never began`);
      if (code !== undefined && NOT_STARTED.has(code) && functionName === "once" && began > 0)
        wrong.push(`${id} began, and the answer was ${code}`);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, (_, number) => caller(number)));
  // What was withdrawn must not start later either.
  await delay(STALL_MAX_MS);
  for (const [id, began] of starts)
    if (id.startsWith("once") && began > 1) wrong.push(`${id} began ${began} times in the end`);
  assert.deepEqual(wrong, [], `seed ${SEED}`);
  const answered = (tally.get("once 200") ?? 0) + (tally.get("again 200") ?? 0);
  const all = tally.values().reduce((sum, one) => sum + one, 0);
  assert.ok(answered > all / 2, `few calls were answered: ${JSON.stringify([...tally])}`);
});

const ENOUGH = { "requests-per-second": 1_000_000, burst: 1_000_000, concurrency: 1_000 };

async function call(
  functionName: string,
  id: string,
): Promise<{ readonly status: number; readonly code: string | undefined }> {
  const answer = await fetch(
    `${gateway.publicUrl}/v1/tenants/demo/functions/${functionName}:invoke`,
    {
      method: "POST",
      headers: { authorization: "Bearer mk_demo_key", "content-type": "text/plain" },
      body: id,
    },
  );
  const text = await answer.text();
  const code = answer.status === 200 ? undefined : (JSON.parse(text) as { code: string }).code;
  return { status: answer.status, code };
}

/** The agent's end of the link as it is in production; what would be a function counts its starts. */
async function startCountingAgent(zone: string): Promise<string> {
  const server = await startInvokeServer({
    bootToken: BOOT_TOKEN,
    place: { zone, clusterId: `${zone}-1` },
    clock: systemClock,
    log: pino({ level: "silent" }),
    readLogs: () => Promise.resolve([]),
    readUsage: async () => ({}),
    serve: async ({ readBody, leave }) => {
      const id = (await readBody()).toString();
      const hasToWait = random.next() < 0.3;
      if (hasToWait) {
        leave.waits();
        await delay(random.next() * 20);
      }
      const mayStart = leave.ask(hasToWait);
      const headers = { "content-type": "text/plain" };
      if (mayStart !== true && !(await mayStart))
        return { status: 503, headers: { "meridian-executed": "false" }, body: Buffer.from("{}") };
      starts.set(id, (starts.get(id) ?? 0) + 1);
      if (random.next() < 0.5) await delay(random.next() * 10);
      return {
        status: 200,
        headers: { ...headers, "meridian-executed": "true" },
        body: Buffer.from(id),
      };
    },
  });
  undo.push(() => server.drain(0, 1_000));
  return server.url;
}

/** Carries bytes until a fault: every link is cut after some, and may stand still for a while before. Pings pass. */
async function faultyWay(url: string): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(Number(new URL(url).port), "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      socket.on("error", () => socket.destroy());
    }
    const cut = (): void => {
      faults += 1;
      for (const socket of [near, far]) socket.resetAndDestroy();
    };
    near.once("data", (first: Buffer) => {
      const isPing = first.toString("latin1").startsWith("GET /ping");
      const isFaultUp = !isPing && random.next() < 0.5;
      const isFaultDown = !isPing && !isFaultUp;
      carry(near, far, isFaultUp ? random : undefined, cut);
      carry(far, near, isFaultDown ? random : undefined, cut);
      near.emit("data", first);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  undo.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** With a `fault`, only so many bytes; the last of them may come after a stall. */
function carry(from: Socket, to: Socket, fault: Random | undefined, cut: () => void): void {
  let left = fault === undefined ? Number.POSITIVE_INFINITY : fault.next() * CUT_BYTES_MAX;
  from.once("close", () => to.destroy());
  from.on("data", (chunk: Buffer) => {
    if (left <= 0) return;
    const passed = chunk.subarray(0, Math.min(chunk.length, Math.ceil(left)));
    left -= chunk.length;
    if (left > 0) return void to.write(passed);
    const stallMs = fault !== undefined && fault.next() < 0.2 ? fault.next() * STALL_MAX_MS : 0;
    return void setTimeout(() => to.write(passed, cut), stallMs);
  });
}
