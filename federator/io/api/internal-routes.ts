import { Type } from "typebox";
import { readClockStamp } from "#lib/clock-stamp.ts";
import { CLOCK_HEADER, FeedAck } from "#lib/contracts/feed.ts";
import { Name } from "#lib/contracts/names.ts";
import { type AgentReportAnswer, Observation, ZoneReport } from "#lib/contracts/zone-report.ts";
import type { Api } from "./api-context.ts";
import type { Feed } from "../feed/feed.ts";
import { type TableMark, UNKNOWN_DIGEST } from "../feed/table-deliveries.ts";
import type { ZoneDesk } from "../federation.ts";
import { WaitApplied } from "../feed/gateway-acks.ts";
import type { Gossip } from "../verdicts/gossip.ts";
import type { Reports } from "../verdicts/reports.ts";
import type { Verdicts } from "../verdicts/verdicts.ts";

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

/** A cluster that is about to be stopped on purpose; who stops it does not wait for longer than this. */
const PlannedDown = Type.Object({ clusterId: Name }, { additionalProperties: false });
const PLAN_LIMIT_MS = 1_000;

/** A zone that was lost is stood in for by what it ran; longer ago, it ran something else. */
const NEIGHBOUR_MAX_AGE_MS = 60_000;

export interface InternalRoutes {
  readonly feed: Feed;
  readonly reports: Reports;
  readonly gossip: Gossip;
  readonly desk: ZoneDesk;
  readonly planDown: Verdicts["planDown"];
}

/** What the other programs ask: `/internal/*`, but for code, which belongs to the API. */
export function internalRoutes(app: Api, parts: InternalRoutes): void {
  const { feed, reports, gossip, desk } = parts;

  app.get("/internal/feed", { schema: { querystring: FeedQuery } }, (request, reply) => {
    const { receiver, incarnation, revision, digest } = request.query;
    const from: TableMark | null =
      incarnation === undefined || revision === undefined
        ? null
        : { position: { incarnation, revision }, digest: digest ?? UNKNOWN_DIGEST };
    feed.assertRoom(receiver);
    const { socket } = request.raw;
    // The answer is not chunked and ends with its connection, so that each line is one write of one buffer, to the socket itself.
    reply.raw.useChunkedEncodingByDefault = false;
    reply.raw.writeHead(200, { "content-type": "application/x-ndjson" }).flushHeaders();
    feed.attach(receiver, from, socket, readClockStamp(request.headers[CLOCK_HEADER]));
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
      const answer = request.body.program === "agent" ? neighboursOf(gossip) : undefined;
      return answer === undefined ? reply.code(204).send() : reply.code(200).send(answer);
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

  app.post("/internal/planned-downs", { schema: { body: PlannedDown } }, async (request, reply) => {
    const isDown = await parts.planDown(request.body.clusterId, AbortSignal.timeout(PLAN_LIMIT_MS));
    return reply.code(200).send({ isDown });
  });

  app.get("/internal/zone-status", () => desk.zoneStatus());

  app.post("/internal/wait-applied", { schema: { body: WaitApplied } }, (request) =>
    desk.waitForOwn({ who: "gateways", ...request.body }),
  );
}

/** Undefined where no other zone runs anything. */
function neighboursOf(gossip: Gossip): AgentReportAnswer | undefined {
  const neighbours = gossip
    .heardWithin(NEIGHBOUR_MAX_AGE_MS)
    .flatMap(({ zone, versionCalls = [] }) =>
      versionCalls.length === 0 ? [] : [{ zone, calls: [...versionCalls] }],
    );
  return neighbours.length === 0 ? undefined : { neighbours };
}
