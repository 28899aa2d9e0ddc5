import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import { gatewayReceiver } from "#lib/contracts/feed.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Federation, Replica } from "../ports.ts";
import type { Feed } from "./feed.ts";

/** A peer gets this much longer to answer than it waits itself. */
const ANSWER_MARGIN_MS = 250;

const closed = { additionalProperties: false } as const;
/** Body of `POST /internal/wait-applied`. */
export const WaitApplied = Type.Object(
  {
    revision: Type.Integer({ minimum: 0 }),
    timeoutMs: Type.Integer({ minimum: 0, maximum: 30_000 }),
  },
  closed,
);
/** Its answer: the zone's gateways that have the revision in force, and those that have not. */
const Applied = Type.Object(
  { ready: Type.Array(Type.String()), waiting: Type.Array(Type.String()) },
  closed,
);
export type Applied = Static<typeof Applied>;
const applied = Compile(Applied);

/** Waits for this zone's gateways alone. A zone without any waits for one to connect, and is named if none does. */
export async function waitForOwnGateways(
  feed: Feed,
  replica: Replica,
  zone: string,
  revision: number,
  timeoutMs: number,
): Promise<Applied> {
  const split = (): Applied => {
    const { incarnation } = replica.position();
    const gateways = feed.receivers().filter(({ isGateway }) => isGateway);
    const isReady = ({ position }: (typeof gateways)[number]): boolean =>
      position?.incarnation === incarnation && position.revision >= revision;
    const names = (ready: boolean): string[] =>
      gateways.filter((one) => isReady(one) === ready).map(({ receiver }) => receiver);
    return {
      ready: names(true),
      waiting: gateways.length === 0 ? [gatewayReceiver(zone)] : names(false),
    };
  };

  const done = Promise.withResolvers<void>();
  const look = (): void => {
    if (split().waiting.length === 0) done.resolve();
  };
  const stopListening = feed.onReceivers(look);
  const timer = setTimeout(done.resolve, timeoutMs);
  look();
  await done.promise;
  clearTimeout(timer);
  stopListening();
  return split();
}

/** Waits for the gateways of all zones together; that of a zone whose federator does not answer counts as waiting. */
export async function waitForAllGateways(
  own: (revision: number, timeoutMs: number) => Promise<Applied>,
  peerZones: readonly string[],
  peers: Federation["peers"],
  client: InternalClient,
  revision: number,
  timeoutMs: number,
): Promise<Applied> {
  const urls = await peers();
  const ask = async (zone: string): Promise<Applied> => {
    const url = urls.get(zone);
    if (url === undefined) return { ready: [], waiting: [gatewayReceiver(zone)] };
    const answer = await client
      .json(url, {
        method: "POST",
        path: "/internal/wait-applied",
        json: { revision, timeoutMs },
        timeoutMs: timeoutMs + ANSWER_MARGIN_MS,
      })
      .catch(() => undefined);
    return applied.Check(answer) ? answer : { ready: [], waiting: [gatewayReceiver(zone)] };
  };
  const answers = await Promise.all([own(revision, timeoutMs), ...peerZones.map(ask)]);
  return {
    ready: answers.flatMap(({ ready }) => ready),
    waiting: answers.flatMap(({ waiting }) => waiting),
  };
}
