import { Type } from "typebox";
import { FeedAck } from "#lib/contracts/feed.ts";
import { Observation, ZoneReport } from "#lib/contracts/zone-report.ts";
import type { Api } from "./api-context.ts";
import type { Feed } from "./feed.ts";
import type { TableMark } from "./feed-lines.ts";
import type { ZoneDesk } from "./federation.ts";
import { WaitApplied } from "./gateway-acks.ts";
import type { Gossip } from "./gossip.ts";
import type { Reports } from "./reports.ts";

/** Reports and observations name every tenant with demand. */
const REPORT_BYTES_MAX = 8 * 1024 * 1024;

const FeedQuery = Type.Object(
  {
    receiver: Type.String({ minLength: 1, maxLength: 128 }),
    incarnation: Type.Optional(Type.String({ maxLength: 128 })),
    revision: Type.Optional(Type.Integer({ minimum: 0 })),
    digest: Type.Optional(Type.String({ maxLength: 128 })),
  },
  { additionalProperties: false },
);

export interface InternalRoutes {
  readonly feed: Feed;
  readonly reports: Reports;
  readonly gossip: Gossip;
  readonly desk: ZoneDesk;
}

/** What the other programs ask: `/internal/*`, but for code, which belongs to the API. */
export function internalRoutes(app: Api, { feed, reports, gossip, desk }: InternalRoutes): void {
  app.get("/internal/feed", { schema: { querystring: FeedQuery } }, (request, reply) => {
    const { receiver, incarnation, revision, digest } = request.query;
    const isWhole = incarnation !== undefined && revision !== undefined && digest !== undefined;
    const from: TableMark | null = isWhole ? { position: { incarnation, revision }, digest } : null;
    reply.raw.setHeader("content-type", "application/x-ndjson");
    feed.attach(receiver, from, reply.raw);
    // From here on the feed writes, for as long as the receiver listens.
    reply.hijack();
  });

  app.post("/internal/feed/acks", { schema: { body: FeedAck } }, (request, reply) => {
    feed.acknowledge(request.body);
    return reply.code(204).send();
  });

  app.post(
    "/internal/reports",
    { bodyLimit: REPORT_BYTES_MAX, schema: { body: ZoneReport } },
    (request, reply) => {
      reports.receive(request.body);
      return reply.code(204).send();
    },
  );

  app.post(
    "/internal/observations",
    { bodyLimit: REPORT_BYTES_MAX, schema: { body: Observation } },
    (request, reply) => {
      gossip.receive(request.body);
      return reply.code(204).send();
    },
  );

  app.get("/internal/zone-status", () => desk.zoneStatus());

  app.post("/internal/wait-applied", { schema: { body: WaitApplied } }, (request) =>
    desk.waitForOwnGateways(request.body.revision, request.body.timeoutMs),
  );
}
