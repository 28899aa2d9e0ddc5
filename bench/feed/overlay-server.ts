import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { pino } from "pino";
import { systemClock } from "#lib/io/system-clock.ts";
import { latestValue } from "#lib/latest-value.ts";
import { compiledTable } from "../../federator/core/feed/compiled-table.ts";
import { startFeed } from "../../federator/io/feed/feed.ts";
import { rightsLedger } from "../../federator/io/quota/rights.ts";
import { startWaves } from "../../federator/io/feed/waves.ts";

/*
 * A federator's feed alone, without a table: each line from standard input is a cluster that this zone has found to be down, and
 * takes the place of the one before. Prints its port.
 */
const clock = systemClock;
const log = pino({ level: "silent" });
const overlay = latestValue<readonly string[]>([]);
const table = compiledTable();
const limits = { soakMs: 1_000, zoneSilenceMaxMs: 10_000, receiverSilenceMaxMs: 10_000 };
const nothing = () => undefined;
const feed = startFeed({
  zone: "us-east",
  table,
  compiler: {
    isReady: () => false,
    hasManualFailback: nothing,
    touchedSince: nothing,
    unchangedSince: nothing,
    onTable: nothing,
    close: async () => undefined,
  },
  waves: startWaves({ table, clock, log, limits, isNewFormat: false, onRefused: nothing }),
  overlay,
  rights: rightsLedger(
    clock,
    () => 0,
    () => true,
  ),
  replicaAgeMs: () => 0,
  clock,
  log,
  otherZones: () => [],
  onRefused: nothing,
});

const server = createServer((request, response) => {
  const receiver = new URL(request.url ?? "/", "http://feed").searchParams.get("receiver") ?? "";
  response.useChunkedEncodingByDefault = false;
  response.writeHead(200, { "content-type": "application/x-ndjson" }).flushHeaders();
  feed.attach(receiver, null, request.socket);
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
for await (const line of createInterface({ input: process.stdin })) overlay.set([line]);
process.exit(0);
