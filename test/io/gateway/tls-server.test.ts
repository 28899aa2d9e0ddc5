import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect } from "node:tls";
import { pino } from "pino";
import { listen, portOf } from "../../../gateway/io/listen.ts";
import { type ReloadingTlsServer, reloadingTlsServer } from "../../../gateway/io/tls-server.ts";

const certificates = join(import.meta.dirname, "certificates");

describe("a certificate", { timeout: 30_000 }, () => {
  let folder: string;
  let tls: ReloadingTlsServer;
  const file = (name: string): string => join(folder, name);
  const put = (pair: "first" | "second", part: "pem" | "key.pem"): Promise<void> =>
    copyFile(join(certificates, `${pair}.${part}`), file(part));
  const start = (): Promise<ReloadingTlsServer> =>
    reloadingTlsServer({
      certificateFile: file("pem"),
      keyFile: file("key.pem"),
      handshakeTimeoutMs: 1_000,
      accept: (socket) => {
        socket.on("error", () => undefined).on("end", () => socket.end());
        socket.resume();
      },
      log: pino({ level: "silent" }),
    });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "meridian-tls-"));
    await Promise.all([put("first", "pem"), put("first", "key.pem")]);
    tls = await start();
    await listen(tls.server, { host: "127.0.0.1", port: 0 });
  });
  after(async () => {
    tls.close();
    await new Promise((resolve) => tls.server.close(resolve));
    await rm(folder, { recursive: true });
  });

  /** The name on the certificate that a new connection is shown. */
  const presented = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port: portOf(tls.server), rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.end();
      });
      socket.on("error", reject);
    });

  test("is replaced while the server runs, never by one half of a pair", async () => {
    assert.equal(await presented(), "first.meridian.example");
    await put("second", "pem");
    await tls.reload();
    assert.equal(await presented(), "first.meridian.example", "the key is still the old one");
    await put("second", "key.pem");
    await tls.reload();
    assert.equal(await presented(), "second.meridian.example");
  });

  test("that cannot be read leaves the one before in force", async () => {
    await rm(file("pem"));
    await tls.reload();
    assert.equal(await presented(), "second.meridian.example");
  });

  test("is found by itself when it is there again", async () => {
    await Promise.all([put("first", "pem"), put("first", "key.pem")]);
    while ((await presented()) !== "first.meridian.example");
  });

  test("without its key does not start a server", async () => {
    await put("second", "key.pem");
    await assert.rejects(start(), /is not that of the certificate/);
  });
});
