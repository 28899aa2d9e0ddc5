import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import { agentReceiver, gatewayReceiver } from "#lib/contracts/feed.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import { deadline } from "#lib/deadline.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Federation, Replica } from "../../ports.ts";
import type { ReceiverView } from "./feed-receivers.ts";
import type { Feed } from "./feed.ts";

/** A peer gets this much longer to answer than it waits itself. */
const ANSWER_MARGIN_MS = 250;

const closed = { additionalProperties: false } as const;
/** Body of `POST /internal/wait-applied`. */
export const WaitApplied = Type.Object(
  {
    revision: Type.Integer({ minimum: 0 }),
    timeoutMs: Type.Integer({ minimum: 0, maximum: 30_000 }),
    /** `gateways`, where it is absent. */
    who: Type.Optional(Type.Union([Type.Literal("gateways"), Type.Literal("everybody")])),
    /** It revokes a key or suspends a tenant: receivers that refuse those ahead of the table are ready. Absent: it does not. */
    isWithdrawal: Type.Optional(Type.Boolean()),
  },
  closed,
);
/** Whose having a revision in force is waited for: gateways route by it, agents run what it permits. */
export type Who = "gateways" | "everybody";

/** Its answer: receivers of the zone that have the revision in force, and those that have not. */
const Applied = Type.Object(
  { ready: Type.Array(Type.String()), waiting: Type.Array(Type.String()) },
  closed,
);
export type Applied = Static<typeof Applied>;
const applied = Compile(Applied);

export interface Wait {
  readonly revision: number;
  readonly timeoutMs: number;
  readonly who: Who;
  readonly isWithdrawal?: boolean;
}

/** Waits for this zone's receivers alone. A zone without any waits for one to connect, and is named if none does. */
export async function waitForOwn(
  feed: Feed,
  replica: Pick<Replica, "position">,
  zone: string,
  clock: Clock,
  { revision, timeoutMs, who, isWithdrawal = false }: Wait,
): Promise<Applied> {
  const split = (): Applied => {
    const { incarnation } = replica.position();
    const reaches = (position: Position | null | undefined): boolean =>
      position?.incarnation === incarnation && position.revision >= revision;
    const isReady = ({ position, withdrawnPosition }: ReceiverView): boolean =>
      reaches(position) || (isWithdrawal && reaches(withdrawnPosition));
    const receivers = feed.receivers().filter(({ isGateway }) => isGateway || who === "everybody");
    const names = (ready: boolean): string[] =>
      receivers.filter((one) => isReady(one) === ready).map(({ receiver }) => receiver);
    const absent = absentOf(zone, who, receivers);
    return { ready: names(true), waiting: [...names(false), ...absent] };
  };

  using limit = deadline(clock, timeoutMs);
  const done = Promise.withResolvers<void>();
  const look = (): void => {
    if (split().waiting.length === 0) done.resolve();
  };
  limit.signal.addEventListener("abort", () => done.resolve(), { once: true });
  const stopListening = feed.awaitAcknowledgements(who, look);
  look();
  await done.promise;
  stopListening();
  return split();
}

/** Waits for the receivers of all zones together; those of a zone whose federator does not answer count as waiting. */
export async function waitForAll(
  own: (wait: Wait) => Promise<Applied>,
  peerZones: readonly string[],
  peers: Federation["peers"],
  client: InternalClient,
  wait: Wait,
): Promise<Applied> {
  const urls = await peers();
  const ask = async (zone: string): Promise<Applied> => {
    const url = urls.get(zone);
    const silent = { ready: [], waiting: [...absentOf(zone, wait.who, [])] };
    if (url === undefined) return silent;
    const answer = await client
      .json(url, {
        method: "POST",
        path: "/internal/wait-applied",
        json: wait,
        timeoutMs: wait.timeoutMs + ANSWER_MARGIN_MS,
      })
      .catch(() => undefined);
    return applied.Check(answer) ? answer : silent;
  };
  const answers = await Promise.all([own(wait), ...peerZones.map(ask)]);
  return {
    ready: answers.flatMap(({ ready }) => ready),
    waiting: answers.flatMap(({ waiting }) => waiting),
  };
}

/** What a zone must have at least, and does not. */
function absentOf(
  zone: string,
  who: Who,
  receivers: readonly Pick<ReceiverView, "isGateway">[],
): readonly string[] {
  const hasGateway = receivers.some(({ isGateway }) => isGateway);
  const hasAgent = receivers.some(({ isGateway }) => !isGateway);
  return [
    ...(hasGateway ? [] : [gatewayReceiver(zone)]),
    ...(hasAgent || who === "gateways" ? [] : [agentReceiver(zone)]),
  ];
}
