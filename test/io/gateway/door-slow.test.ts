import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { rawExchange } from "../../fuzz/raw-exchange.ts";
import { openSlowClients } from "../../fuzz/slow-clients.ts";
import { openHttp2 } from "./door-clients.ts";
import { openDoorWorld } from "./door-world.ts";
import { DEMO_KEY, eventually, invoke } from "./run-gateway.ts";

/** Short, so that the tests need not wait; the real ones are in `gateway/config.ts`. */
const limits = { headersTimeoutMs: 400, stallMs: 400, idleTimeoutMs: 800 };
const SLOW_CLIENTS = 200;
const HOST = "Host: meridian.example\r\n";

for (const fastLane of ["on", "off"] as const)
  describe(`slow and idle callers, fast lane ${fastLane}`, { timeout: 60_000 }, () => {
    test("two hundred of them are cut off, and the calls of others do not notice", async () => {
      await using world = await openDoorWorld({ ...limits, fastLane });
      const { gateway, agent } = world;
      agent.behaviourOf.set("open@1", "answer-at-length");
      const slow = await openSlowClients(gateway.publicUrl, SLOW_CLIENTS, 50);
      const failures: number[] = [];
      let calls = 0;
      const callOn = async (): Promise<void> => {
        while (slow.sending() > 0 || agent.abandoned < slow.reading) {
          const answer = await invoke(gateway, "echo");
          await answer.text();
          calls += 1;
          if (answer.status !== 200) failures.push(answer.status);
        }
      };
      await Promise.all(Array.from({ length: 4 }, callOn));
      slow.close();
      assert.deepEqual(failures, []);
      assert.ok(calls > 0);
      assert.equal(agent.abandoned, slow.reading, "the answers that nobody read");
    });

    test("one who is slow is told which limit it was", async () => {
      await using world = await openDoorWorld({ ...limits, fastLane });
      const url = world.gateway.publicUrl;
      const beginnings = [
        ["", /headers of a request must arrive within 400 ms/],
        [`GET /healthz HTTP/1.1\r\n${HOST}`, /headers of a request must arrive within 400 ms/],
        ["PRI * HTTP/2.0\r\n", /headers of a request must arrive within 400 ms/],
        [
          `POST /v1/tenants/demo/functions/echo:invoke HTTP/1.1\r\n${HOST}Authorization: Bearer ${DEMO_KEY}\r\nContent-Length: 9\r\n\r\n{`,
          /stand still for 400 ms/,
        ],
      ] as const;
      for (const [bytes, reason] of beginnings) {
        const { statuses, text, isClosed } = await rawExchange(url, bytes, 20_000);
        assert.deepEqual(statuses, [408], text);
        assert.match(text, reason);
        assert.ok(isClosed);
      }
      assert.equal(world.agent.calls.length, 0);
    });

    test("one who resets the connection on hearing so ends nothing but that", async () => {
      await using world = await openDoorWorld({ ...limits, fastLane });
      const { hostname, port } = new URL(world.gateway.publicUrl);
      for (const bytes of ["", "PRI * HTTP/2.0\r\n", `CONNECT a:1 HTTP/1.1\r\n${HOST}\r\n`]) {
        const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
        socket.write(bytes);
        await once(socket, "data");
        socket.resetAndDestroy();
        await once(socket, "close");
        assert.equal((await invoke(world.gateway, "echo")).status, 200);
      }
    });

    test("a large upload may take much longer than its caller may stand still", async () => {
      await using world = await openDoorWorld({ ...limits, fastLane });
      const url = `${world.gateway.publicUrl}/v1/tenants/demo/code/sha256:ab`;
      const sending = request(url, { method: "PUT" });
      for (let piece = 0; piece < 20; piece += 1) {
        sending.write(Buffer.alloc(64 * 1024));
        await delay(60);
      }
      sending.end();
      const [answer] = await once(sending, "response");
      assert.equal(answer.statusCode, 200);
      answer.resume();
      assert.equal(world.federator.passed[0]?.bytes, 20 * 64 * 1024);
    });

    test("an answer that pauses is not its reader's fault", async () => {
      await using world = await openDoorWorld({ ...limits, fastLane });
      world.agent.behaviour = "stream-slowly";
      const answer = await invoke(world.gateway, "echo");
      assert.equal(await answer.text(), "first;second;");
    });

    test("idle connections end, of either version, and those that work do not", async () => {
      await using world = await openDoorWorld({ ...limits, fastLane });
      const { hostname, port } = new URL(world.gateway.publicUrl);
      const idle1 = connect(Number(port), hostname).resume();
      idle1.write(`GET /healthz HTTP/1.1\r\n${HOST}\r\n`);
      const idle2 = await openHttp2(world.gateway.publicUrl);
      world.agent.behaviour = "stream-slowly";
      const busy = await openHttp2(world.gateway.publicUrl);
      const stream = busy.request({ ":path": "/fn/demo/open/" });
      let text = "";
      stream.on("data", (chunk) => (text += String(chunk)));
      await Promise.all([once(idle1, "close"), once(idle2, "close"), once(stream, "end")]);
      assert.equal(text, "first;second;");
      busy.destroy();
    });

    test("a caller over HTTP/2 that reads nothing loses its stream alone", async () => {
      await using world = await openDoorWorld({ ...limits, fastLane });
      world.agent.behaviourOf.set("open@1", "answer-at-length");
      const session = await openHttp2(world.gateway.publicUrl);
      const stuck = session.request({ ":path": "/fn/demo/open/" });
      stuck.on("error", () => undefined);
      await eventually(() => world.agent.abandoned === 1);
      const fine = session.request({ ":path": "/healthz" });
      const [answer] = await once(fine, "response");
      assert.equal(answer[":status"], 200);
      session.destroy();
    });
  });
