import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { eventually, federatorWith, type TestFederation, testFederation } from "./run-gateway.ts";
import type { FakeFederator } from "./fake-federator.ts";

describe("what never becomes a request", { timeout: 60_000 }, () => {
  let federation: TestFederation;
  let federator: FakeFederator;
  let gateway: RunningGateway;
  before(async () => {
    federation = await testFederation();
    federator = await federatorWith(federation, [{ name: "hello" }]);
    gateway = await federation.startGateway({
      connectionsPerAddressMax: 3,
      trustedProxies: [],
      headersTimeoutMs: 300,
    });
  });
  after(async () => {
    await gateway.stop();
    await federator.close();
    await federation.remove();
  });

  const open = (): Socket => {
    const { hostname, port } = new URL(gateway.publicUrl);
    return connect(Number(port), hostname).on("error", () => undefined);
  };
  const answerTo = async (bytes: string): Promise<string> => {
    const socket = open();
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    socket.write(bytes);
    await once(socket, "close");
    return text.slice(0, 12);
  };
  const metric = async (name: string, label: string): Promise<number> => {
    const text = await (await fetch(`${gateway.admin.url}/metrics`)).text();
    const line = text.split("\n").find((one) => one.startsWith(`${name}{`) && one.includes(label));
    return Number(line?.split(" ").at(-1) ?? Number.NaN);
  };

  test("is counted by what it was answered, and among all answers", async () => {
    const refused = (status: number) =>
      metric("meridian_gateway_refused_unread_total", `status="${status}"`);
    const callersFault = () => metric("meridian_gateway_requests_total", 'status_class="4xx"');
    const before = await callersFault();
    assert.equal(await answerTo("\x01\x02 nonsense\r\n\r\n"), "HTTP/1.1 400");
    assert.equal(
      await answerTo(`GET / HTTP/1.1\r\nx: ${"a".repeat(20_000)}\r\n\r\n`),
      "HTTP/1.1 431",
    );
    assert.equal(await answerTo("CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n"), "HTTP/1.1 405");
    assert.equal(await answerTo("GET / HT"), "HTTP/1.1 408");
    for (const status of [400, 405, 408, 431]) assert.equal(await refused(status), 1, `${status}`);
    const after = await callersFault();
    assert.equal(after, before + 4);
  });

  test("connections of one address beyond its limit are closed at once, and others open again when one ends", async () => {
    const kept = [open(), open(), open()];
    await Promise.all(kept.map((socket) => once(socket, "connect")));
    const closed = () => metric("meridian_gateway_connections_refused_total", 'limit="address"');
    await eventually(async () => {
      const fourth = open();
      await once(fourth, "close");
      return (await closed()) > 0;
    });
    kept[0]?.destroy();
    await eventually(async () => {
      const socket = open();
      const isAnswered = once(socket, "data").then(() => true);
      const isClosed = once(socket, "close").then(() => false);
      socket.write("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
      return Promise.race([isAnswered, isClosed]);
    });
    for (const socket of kept) socket.destroy();
  });
});
