import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { LINK_FRAME } from "#lib/contracts/link-frames.ts";
import { encodeFrame } from "#lib/frames.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import { createClusterLink } from "../../../gateway/io/cluster-link.ts";
import { eventually } from "./run-gateway.ts";

/** An agent that takes calls without a word, and answers pings as long as it is told to. */
async function startQuietAgent() {
  const server = createServer((_request, response) => {
    if (agent.answersPings) response.writeHead(204).end();
  });
  const agent = {
    answersPings: true,
    link: undefined as Duplex | undefined,
    bytesReceived: 0,
    url: "",
    close: () => {
      agent.link?.destroy();
      server.close();
      server.closeAllConnections();
    },
  };
  server.on("upgrade", (_request, socket: Duplex) => {
    agent.link = socket;
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => (agent.bytesReceived += chunk.length));
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n");
    socket.write("upgrade: meridian-link\r\n\r\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  agent.url = `http://127.0.0.1:${port}`;
  return agent;
}

test("a cluster whose ping is late is late only while calls wait there and hear nothing", async (t) => {
  const agent = await startQuietAgent();
  t.after(agent.close);
  const cluster = createClusterLink({
    clusterId: "eu-west-1",
    bootToken: "token",
    clock: systemClock,
    random: systemRandom,
    failover: "on",
    goRoundTripMaxMs: 5,
    onPings: () => undefined,
  });
  t.after(cluster.close);
  cluster.follow({
    program: "agent",
    zone: "eu-west",
    pid: 1,
    bootId: "boot",
    urls: { internal: agent.url, admin: agent.url },
  });
  await eventually(async () => {
    await cluster.probe();
    return cluster.health().pings === "good" && cluster.state().link === "framed";
  });

  agent.answersPings = false;
  await cluster.probe();
  assert.equal(cluster.health().pings, "good", "no call is there that could tell");

  agent.answersPings = true;
  await cluster.probe();
  const callerGone = new AbortController();
  const call = cluster.send({
    headers: {},
    body: new Uint8Array(),
    deadlineAtMs: systemClock.nowMs() + 60_000,
    callerGone: callerGone.signal,
    isIdempotent: true,
  });
  await eventually(() => agent.bytesReceived > 0);
  agent.answersPings = false;
  await cluster.probe();
  assert.equal(cluster.health().pings, "late");

  agent.link?.write(encodeFrame(LINK_FRAME.waiting, 1));
  await eventually(() => cluster.health().pings === "good");
  callerGone.abort();
  assert.equal((await call).kind, "caller-gone");
});
