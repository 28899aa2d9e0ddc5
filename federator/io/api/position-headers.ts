import type { FastifyRequest } from "fastify";
import type { Position } from "#lib/contracts/route-table.ts";
import { deadline } from "#lib/deadline.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Replica } from "../../ports.ts";
import type { Api } from "./api-context.ts";

/** How long a request waits for this zone to hear of what its sender has already seen. */
const WAIT_MS = 2_000;
const POSITION = /^([^\s]{1,128})\.(\d{1,15})$/;

const POSITION_HEADERS = {
  /** In answers: how far the zone is that answered. */
  position: "meridian-position",
  /** In requests: an answer's position, to see at least what was seen there. */
  minPosition: "meridian-min-position",
  /** In answers to GETs: since the zone's replica last heard the catalog. */
  ageMs: "meridian-replica-age-ms",
} as const;

/**
 * Reading one's own writes, in whatever zone the next request lands: answers carry the position they were made from, and a request
 * that carries one is answered from there or later.
 */
export function positionHeaders(api: Api, replica: Replica, clock: Clock): void {
  api.addHook("onRequest", async (request) => {
    const asked = askedPosition(request);
    if (asked !== null) await untilThere(replica, clock, asked);
  });
  api.addHook("onSend", async (request, reply) => {
    const { incarnation, revision } = replica.position();
    if (incarnation !== "")
      reply.header(POSITION_HEADERS.position, `${plain(incarnation)}.${revision}`);
    const ageMs = replica.ageMs();
    if (request.method === "GET" && Number.isFinite(ageMs))
      reply.header(POSITION_HEADERS.ageMs, String(Math.max(0, Math.round(ageMs))));
  });
}

/** What a zone shows besides the catalog does not move it in the catalog's history. */
const plain = (incarnation: string): string => incarnation.split("~", 1)[0] ?? "";

function askedPosition({ headers }: FastifyRequest): Position | null {
  const text = headers[POSITION_HEADERS.minPosition];
  if (text === undefined) return null;
  const [, incarnation, revision] = POSITION.exec(String(text)) ?? [];
  if (incarnation === undefined || revision === undefined)
    throw new MeridianError(
      "MERIDIAN_BAD_REQUEST",
      "Meridian-Min-Position is INCARNATION.REVISION, as an answer's Meridian-Position had it.",
    );
  return { incarnation: plain(incarnation), revision: Number(revision) };
}

async function untilThere(replica: Replica, clock: Clock, asked: Position): Promise<void> {
  const isElsewhere = (): boolean => {
    const { incarnation } = replica.position();
    return incarnation !== "" && plain(incarnation) !== asked.incarnation;
  };
  using limit = deadline(clock, WAIT_MS);
  await replica.waitFor(asked.revision, limit.signal).catch(() => undefined);
  if (isElsewhere())
    throw new MeridianError(
      "MERIDIAN_POSITION_UNKNOWN",
      "That position is of another history of the catalog than this zone's: the catalog was restored, or belongs to another federation. Read again without it.",
    );
  if (replica.position().revision < asked.revision)
    throw new MeridianError(
      "MERIDIAN_REPLICA_BEHIND",
      `This zone is at revision ${replica.position().revision} and did not reach ${asked.revision} in ${WAIT_MS} ms; try again or ask another zone.`,
    );
}
