import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { FeedAck, FeedFrame } from "#lib/contracts/feed.ts";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import { encodeEntry, tableDigest } from "#lib/table-digest.ts";

export interface FakeFederator {
  readonly url: string;
  readonly acks: FeedAck[];
  readonly reports: unknown[];
  /** What the management API was sent, body bytes counted. */
  readonly passed: { readonly request: IncomingMessage; readonly bytes: number }[];
  readonly sendTable: (entries: readonly RouteEntry[], revision: number) => void;
  readonly send: (frame: FeedFrame) => void;
  /** Gives gateways all that the tenant demo may have of its rate. */
  readonly grantAll: () => void;
  /** No cluster is down, and the table is confirmed: without that, nothing that is bound to a region is decided. */
  readonly confirm: () => void;
  readonly close: () => Promise<void>;
}

/** A federator's feed and a management API that says what it was sent, on a real socket. */
export async function startFakeFederator(): Promise<FakeFederator> {
  const feeds = new Set<ServerResponse>();
  /** The newest of each kind, for gateways that connect later. */
  const newest = new Map<string, string>();
  let nonce = 0;
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  const send = (frame: FeedFrame): void => {
    const line = `${JSON.stringify(frame)}\n`;
    newest.set(frame.kind, line);
    for (const feed of feeds) feed.write(line);
  };
  const federator: FakeFederator = {
    url: `http://127.0.0.1:${port}`,
    acks: [],
    reports: [],
    passed: [],
    send,
    grantAll: () => {
      nonce += 1;
      const whole = { tenant: "demo", floorMillionths: 1_000_000, leaseMillionths: 0 };
      send({ kind: "rights", nonce, leaseValidMs: 600_000, tenants: [whole] });
    },
    confirm: () =>
      send({
        kind: "overlay",
        downClusters: [],
        validMs: 60_000,
        replicaAgeMs: 0,
        unchangedSince: { incarnation: "test", revision: 1 },
      }),
    sendTable: (entries, revision) => {
      nonce += 1;
      const position = { incarnation: "test", revision };
      const digest = tableDigest(entries);
      send({ kind: "full", nonce, position, entries: Array.from(entries, encodeEntry), digest });
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "/";
    if (path.startsWith("/internal/feed?")) {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      feeds.add(response);
      response.once("close", () => feeds.delete(response));
      for (const line of newest.values()) response.write(line);
      return;
    }
    if (path === "/healthz") {
      response.writeHead(200).end();
      return;
    }
    if (path === "/v1/nothing-left") {
      response.writeHead(204).end();
      return;
    }
    if (path === "/v1/early-refusal") {
      response.writeHead(413, { "content-type": "text/plain" });
      response.end("too much");
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk as Uint8Array));
    const body = Buffer.concat(chunks);
    if (path === "/internal/feed/acks") federator.acks.push(JSON.parse(body.toString()) as FeedAck);
    else if (path === "/internal/reports") federator.reports.push(JSON.parse(body.toString()));
    else federator.passed.push({ request, bytes: body.length });
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ path, method: request.method, bytes: body.length }));
  }
  return federator;
}
