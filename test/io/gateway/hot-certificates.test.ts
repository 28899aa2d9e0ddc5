import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { openDoorWorld } from "./door-world.ts";
import { DEMO_KEY, eventually } from "./run-gateway.ts";

const certificates = join(import.meta.dirname, "certificates");
const PAUSE_MS = 15;
const CHANGES = 4;
const headers = { authorization: `Bearer ${DEMO_KEY}`, "content-type": "application/json" };

interface Ended {
  readonly status: number;
  /** The name on the certificate of the connection. */
  readonly name: string;
}

test("certificates change under load, for new connections and kept ones, and no call fails", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "meridian-certificates-"));
  context.after(() => rm(folder, { recursive: true }));
  const put = async (pair: "first" | "second"): Promise<void> => {
    for (const part of ["pem", "key.pem"])
      await copyFile(join(certificates, `${pair}.${part}`), join(folder, part));
  };
  await put("first");
  const tls = { port: 0, certificateFile: join(folder, "pem"), keyFile: join(folder, "key.pem") };
  await using world = await openDoorWorld({ tls });
  const url = `${world.gateway.secureUrl}/v1/tenants/demo/functions/echo:invoke`;

  const stopping = new AbortController();
  const kept = new Agent({ keepAlive: true, maxSockets: 2, rejectUnauthorized: false });
  const fresh = new Agent({ keepAlive: false, rejectUnauthorized: false });
  const ended: Ended[] = [];
  const freshNames = new Set<string>();
  const callForEver = async (agent: Agent): Promise<void> => {
    while (!stopping.signal.aborted) {
      const call = await callOver(agent, url);
      ended.push(call);
      if (agent === fresh) freshNames.add(call.name);
      await delay(PAUSE_MS);
    }
  };
  const calling = Promise.all([kept, kept, fresh, fresh].map(callForEver));
  for (let change = 1; change <= CHANGES; change += 1) {
    const pair = change % 2 === 1 ? "second" : "first";
    freshNames.clear();
    await put(pair);
    await eventually(() => freshNames.has(`${pair}.meridian.example`));
  }
  stopping.abort();
  await calling;
  kept.destroy();
  assert.deepEqual(new Set(ended.map(({ status }) => status)), new Set([200]));
});

function callOver(agent: Agent, url: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent, method: "POST", headers }, (response) => {
      // Of a session that was resumed the certificate is not sent again.
      const { subject } = (response.socket as TLSSocket).getPeerCertificate();
      const name = String(subject?.CN);
      text(response).then(() => resolve({ status: response.statusCode ?? 0, name }), reject);
    });
    asked.on("error", reject).end("{}");
  });
}
