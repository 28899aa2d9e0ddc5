import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, type TestContext, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { MeridianError } from "#lib/errors.ts";
import { arrivingBody } from "../../../federator/io/code/arriving-body.ts";
import { type ManualClock, manualClock } from "../catalog/support/manual-clock.ts";
import { digestOf, zipOf } from "./archives.ts";
import { assertProblem, call, startZones, type TestFederation } from "./zones.ts";

let federation: TestFederation;
before(async () => {
  federation = await startZones(["eu-west"]);
});
after(() => federation.stop());

const archive = zipOf([{ name: "index.mjs", content: "export const handler = () => 1;" }]);
const digest = digestOf(archive);

/** Looks again until it is so; the runner's own time limit ends a test that waits for ever. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await setImmediate();
}

test("slow uploads of one tenant leave room for those of the others", async () => {
  const [zone] = federation.zones;
  assert.ok(zone !== undefined);
  const { port } = new URL(zone.url);
  const slow = Array.from({ length: 3 }, () => {
    const socket = connect(Number(port), "127.0.0.1");
    socket.write(
      `PUT /v1/tenants/demo/code/${digest} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${federation.keys.demo}\r\n` +
        `content-type: application/zip\r\ncontent-length: ${archive.length}\r\n\r\n`,
    );
    socket.write(archive.subarray(0, 10));
    return socket;
  });
  const incoming = join(zone.codeDirectory, "incoming");
  await until(async () => (await readdir(incoming)).length === 3);
  const upload = (tenant: "demo" | "acme") =>
    call(zone, federation.keys[tenant], "PUT", `/v1/tenants/${tenant}/code/${digest}`, archive);
  const refused = await upload("demo");
  assertProblem(refused, 429, "MERIDIAN_CONCURRENCY_LIMITED");
  assert.match(String(refused.body["detail"]), /3 uploads of the tenant demo/);
  assert.equal((await upload("acme")).status, 201);

  for (const socket of slow) {
    socket.write(archive.subarray(10));
    const [answer] = await once(socket, "data");
    assert.match(String(answer), /^HTTP\/1\.1 201 /);
    socket.destroy();
  }
  assert.equal((await upload("demo")).status, 201);
});

interface Sender {
  readonly clock: ManualClock;
  readonly socket: Socket;
  /** Bytes of the body that its reader has. */
  readonly arrivedBytes: () => number;
  /** How the reading ended, `whole` or with which failure; undefined while it goes on. */
  readonly end: () => string | undefined;
}

/** A body of a mebibyte that the test sends piece by piece, over a connection of its own. */
async function sender(context: TestContext): Promise<Sender> {
  const clock = manualClock();
  let bytes = 0;
  let end: string | undefined;
  const server = createServer((request, response) => {
    const read = async (): Promise<void> => {
      for await (const piece of arrivingBody(request, clock)) bytes += piece.length;
    };
    void read().then(
      () => (end = "whole"),
      (error: unknown) => {
        end = error instanceof MeridianError ? error.code : String(error);
        response.writeHead(408).end("too slow");
      },
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, "127.0.0.1");
  context.after(() => {
    socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  socket.write(
    `PUT / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${MEBIBYTE}\r\n\r\n`,
  );
  await once(server, "request");
  return { clock, socket, arrivedBytes: () => bytes, end: () => end };
}
const MEBIBYTE = 1024 * 1024;

test("an upload that brings less than 16 KiB/s for 10 s is ended, and its sender told", async (context) => {
  const { clock, socket, arrivedBytes, end } = await sender(context);
  socket.write(Buffer.alloc(20_000));
  await until(() => arrivedBytes() === 20_000);
  await clock.advance(9_999);
  assert.equal(end(), undefined);
  await clock.advance(1);
  await until(() => end() !== undefined);
  assert.equal(end(), "MERIDIAN_REQUEST_TIMEOUT");
  assert.match(await text(socket), /^HTTP\/1\.1 408 /);
});

test("one that was quick enough so far is measured anew, and one that is quick enough arrives whole", async (context) => {
  const { clock, socket, arrivedBytes, end } = await sender(context);
  for (let sent = 0; sent < MEBIBYTE; sent += MEBIBYTE / 4) {
    await clock.advance(8_000);
    socket.write(Buffer.alloc(MEBIBYTE / 4));
    await until(() => arrivedBytes() === sent + MEBIBYTE / 4);
    assert.notEqual(end(), "MERIDIAN_REQUEST_TIMEOUT");
  }
  await until(() => end() !== undefined);
  assert.equal(end(), "whole");
});
