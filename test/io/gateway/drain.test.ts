import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { Agent, request } from "node:http";
import { type ClientHttp2Session, connect } from "node:http2";
import { join } from "node:path";
import { describe, test } from "node:test";
import { text } from "node:stream/consumers";
import { pino } from "pino";
import { type RunningGateway, startGateway } from "../../../gateway/start-gateway.ts";
import { openDoorGround, openDoorWorld } from "./door-world.ts";
import { DEMO_KEY, eventually } from "./run-gateway.ts";
import { headOf, openCaller, openStreamWorld } from "./stream-world.ts";

const PATH = "/v1/tenants/demo/functions/echo:invoke";
const headers = { authorization: `Bearer ${DEMO_KEY}`, "content-type": "application/json" };
/** Long enough for whatever a test does meanwhile; a drain ends as soon as nobody is connected. */
const LINGER = { lingerMs: 20_000, drainMs: 30_000 };

describe("a gateway that stops", { timeout: 60_000 }, () => {
  test("answers who kept a connection, and tells them to connect anew", async () => {
    await using world = await openDoorWorld(LINGER);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    assert.deepEqual(await callOver(agent, world.gateway), {
      status: 200,
      connection: "keep-alive",
    });
    const stopped = world.gateway.stop();
    await eventually(() => isRefused(world.gateway));
    assert.deepEqual(await callOver(agent, world.gateway), { status: 200, connection: "close" });
    await stopped;
  });

  test("closes connections on which nothing comes once it has lingered", async () => {
    await using world = await openDoorWorld({ lingerMs: 50, drainMs: 30_000 });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await callOver(agent, world.gateway);
    const [socket] = Object.values(agent.freeSockets).flat();
    assert.ok(socket !== undefined);
    const closed = once(socket, "close");
    await world.gateway.stop();
    await closed;
  });

  test("asks callers over HTTP/2 for no more before it takes none, and finishes what runs", async () => {
    await using world = await openDoorWorld({ lingerMs: 50, drainMs: 30_000 });
    const session = connect(world.gateway.publicUrl);
    world.agent.behaviour = "hang";
    const running = session.request({ ":method": "POST", ":path": PATH, ...headers });
    running.end("{}");
    await eventually(() => world.agent.calls.length === 1);
    const lastStreamId = firstGoodbye(session);
    const stopped = world.gateway.stop();
    assert.equal(await lastStreamId, 2 ** 31 - 1, "no stream that is under way is refused");
    assert.equal(session.destroyed, false);
    running.close();
    await once(running, "close");
    await stopped;
  });

  test("leaves its rights to the others while it still runs what it has", async () => {
    await using world = await openDoorWorld(LINGER);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await callOver(agent, world.gateway);
    const stopped = world.gateway.stop();
    await eventually(() => world.federator.acks.some(({ isLeaving }) => isLeaving === true));
    await eventually(() => isRefused(world.gateway));
    assert.equal((await callOver(agent, world.gateway)).status, 200, "what has gathered is spent");
    await stopped;
  });
});

test("a gateway that stops cuts streams and upgrades that never end when its time is up, and says how many", async () => {
  await using world = await openStreamWorld();
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const stateDirectory = join(world.federation.directory, "stopping");
  const config = world.federation.configOf({ lingerMs: 50, drainMs: 300, stateDirectory });
  const gateway = await startGateway(config, log);
  world.agent.serve = (call) => {
    call.giveCredit(1_024);
    call.answer({ status: call.head.upgrade === undefined ? 200 : 101, headers: {} }, "begun");
  };
  const upgrade = ["Connection: Upgrade", "Upgrade: telnet"];
  const callers = [[], upgrade].map((headers) => {
    const caller = openCaller(gateway);
    caller.write(headOf("GET /fn/demo/server/for-ever HTTP/1.1", ...headers));
    return caller;
  });
  await eventually(() => callers.every((caller) => caller.text().includes("begun")));
  await gateway.stop();
  await Promise.all(callers.map(({ closed }) => closed));
  const said = lines.find((line) => line.includes("what has not ended by now is cut")) ?? "";
  assert.match(said, /"connections":2,"drainMs":300/);
});

test("workers of a zone share its port, and follow the federator under names of their own", async () => {
  await using ground = await openDoorGround();
  await using opened = new AsyncDisposableStack();
  const { federation, federator } = ground;
  const first = await federation.startGateway({ sharesPublicPort: true, workers: 2 });
  opened.defer(first.stop);
  const second = await federation.startGateway({
    sharesPublicPort: true,
    publicPort: Number(new URL(first.publicUrl).port),
    worker: 2,
    workers: 2,
    stateDirectory: join(federation.directory, "zones", "eu-west", "gateway.2"),
  });
  opened.defer(second.stop);
  assert.equal(second.publicUrl, first.publicUrl);
  await eventually(() => new Set(federator.acks.map(({ receiver }) => receiver)).size === 2);
  assert.deepEqual(
    new Set(federator.acks.map(({ receiver }) => receiver)),
    new Set(["eu-west.gateway", "eu-west.gateway.2"]),
  );
  const published = await readdir(join(federation.directory, "run"));
  assert.ok(
    published.includes("eu-west.gateway.2.json") && published.includes("eu-west.gateway.json"),
  );
});

async function callOver(agent: Agent, { publicUrl }: RunningGateway) {
  const outgoing = request(`${publicUrl}${PATH}`, { method: "POST", agent, headers });
  outgoing.end("{}");
  const [incoming] = await once(outgoing, "response");
  await text(incoming);
  return { status: incoming.statusCode, connection: incoming.headers.connection };
}

const isRefused = ({ publicUrl }: RunningGateway): Promise<boolean> =>
  fetch(`${publicUrl}/healthz`, { headers: { connection: "close" } }).then(
    () => false,
    () => true,
  );

async function firstGoodbye(session: ClientHttp2Session): Promise<number> {
  const [, lastStreamId] = await once(session, "goaway");
  return lastStreamId;
}
