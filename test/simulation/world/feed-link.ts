import { readClockStamp } from "#lib/clock-stamp.ts";
import { CLOCK_HEADER, type ClockStamp, FeedAck } from "#lib/contracts/feed.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import { MeridianError } from "#lib/errors.ts";
import type { FeedLinkOptions } from "#lib/io/feed-link.ts";
import { Compile } from "typebox/compile";
import type { Host } from "../engine/host.ts";
import type { Network } from "../engine/network.ts";
import type { FeedStream } from "../../../federator/io/feed/feed-connection.ts";
import { feedPipe } from "./feed-pipe.ts";

const compiledAck = Compile(FeedAck);

/** What the federator of the zone does for those who follow it; undefined while there is none. */
export interface FeedDesk {
  readonly host: Host;
  readonly attach: (
    receiver: string,
    from: { readonly position: Position; readonly digest: string } | null,
    stream: FeedStream,
    stamp?: ClockStamp,
  ) => void;
  readonly acknowledge: (ack: FeedAck) => void;
}

export interface FeedDoor {
  readonly network: Network;
  /** Where both are. */
  readonly place: string;
  readonly receiver: string;
  readonly desk: () => FeedDesk | undefined;
}

/** Where and how a follower finds its federator: the production follower runs on it as it runs on HTTP. */
export function simulatedFeedLink(
  host: Host,
  door: FeedDoor,
): Pick<FeedLinkOptions, "receiver" | "zone" | "discovery" | "client"> {
  const { network, place, receiver, desk } = door;
  const endpoint = {
    program: "federator",
    zone: place,
    pid: 1,
    bootId: place,
    urls: { internal: `sim://${place}`, admin: "" },
  } as const;

  /** The federator's answer to one call; fails when it cannot be reached, after the time, or with the signal. */
  const call = <A>(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    serve: (its: FeedDesk) => A,
  ) =>
    new Promise<A>((resolve, reject) => {
      const fail = (why: string): void =>
        settle(() => reject(new MeridianError("MERIDIAN_CONTROL_UNAVAILABLE", why)));
      const abort = (): void => fail("given up");
      const settle = (finish: () => void): void => {
        timer.cancel();
        signal?.removeEventListener("abort", abort);
        finish();
      };
      const timer = host.after(timeoutMs, () => fail("no answer"));
      signal?.addEventListener("abort", abort, { once: true });
      network.carry(place, place, () => {
        const its = desk();
        const reply = (finish: () => void): void =>
          network.carry(place, place, () => host.deliver(() => settle(finish)));
        if (its === undefined) reply(() => fail("refused"));
        else
          its.host.deliver(() => {
            const answer = serve(its);
            reply(() => resolve(answer));
          });
      });
    });

  return {
    receiver,
    zone: place,
    discovery: { list: async () => [endpoint] },
    client: {
      json: async (_url, { json, timeoutMs, signal }) => {
        if (!compiledAck.Check(json)) throw new Error("not an acknowledgement");
        await call(timeoutMs, signal, (its) => its.acknowledge(json));
      },
      stream: (_url, { path, headers, timeoutMs, signal }) =>
        call(timeoutMs, signal, (its) => {
          const pipe = feedPipe(network, place, its.host, host, signal);
          its.attach(
            receiver,
            markOf(path),
            pipe.writable,
            readClockStamp(headers?.[CLOCK_HEADER]),
          );
          return pipe.readable;
        }),
    },
  };
}

function markOf(path: string): { position: Position; digest: string } | null {
  const { searchParams } = new URL(path, "sim://federator");
  const incarnation = searchParams.get("incarnation");
  const digest = searchParams.get("digest");
  if (incarnation === null) return null;
  const revision = Number(searchParams.get("revision"));
  return { position: { incarnation, revision }, digest: digest ?? "" };
}
