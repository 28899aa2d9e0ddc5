import { setMaxListeners } from "node:events";
import { request as httpRequest } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import {
  LINK_FEATURE_STREAMS,
  LINK_FEATURES_HEADER,
  LINK_FRAME,
  LINK_FRAME_BYTES_MAX,
  LINK_PATH,
  LINK_PROTOCOL,
} from "#lib/contracts/link-frames.ts";
import { type Frame, frameReader } from "#lib/frames.ts";
import { frameWriter } from "#lib/io/frame-writer.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { AgentRequest, Outcome } from "../ports.ts";
import { type StartsOn, takesNoStreams } from "./agent-client.ts";
import { type CallOverLink, startCallOverLink } from "./call-over-link.ts";

/** One connection to an agent that carries all calls to it at once. */
export interface AgentLink {
  readonly send: (request: AgentRequest, startsOn: StartsOn) => Promise<Outcome>;
  /** Whether calls wait, and nothing at all came since then. */
  readonly isSilentSince: (sinceMs: number) => boolean;
  /** Ends the calls that may go elsewhere. */
  readonly giveUp: () => void;
  readonly close: () => void;
  readonly closed: Promise<void>;
}

const CONNECT_TIMEOUT_MS = 1_000;
const KEEP_ALIVE_PROBE_MS = 10_000;

/** `not-spoken`: the agent answered, and knows no links. Rejects where nothing of a call can have been sent. */
export async function connectLink(
  url: string,
  bootToken: string,
  clock: Clock,
): Promise<AgentLink | "not-spoken"> {
  const opened = Promise.withResolvers<AgentLink | "not-spoken">();
  const asking = httpRequest(new URL(LINK_PATH, url), {
    headers: {
      connection: "upgrade",
      upgrade: LINK_PROTOCOL,
      [INVOCATION_HEADERS.bootToken]: bootToken,
    },
    agent: false,
    timeout: CONNECT_TIMEOUT_MS,
  });
  asking.on("upgrade", (answer, connection: Duplex, first: Buffer) => {
    const features = String(answer.headers[LINK_FEATURES_HEADER] ?? "").split(",");
    const takesStreams = features.some((feature) => feature.trim() === LINK_FEATURE_STREAMS);
    opened.resolve(openLink(connection, first, clock, takesStreams));
  });
  asking.on("response", (answer) => {
    answer.destroy();
    if (answer.statusCode === 404) opened.resolve("not-spoken");
    else opened.reject(new Error(`its agent answered ${answer.statusCode} to a new link`));
  });
  asking.on("timeout", () => asking.destroy(new Error("its agent does not answer")));
  asking.on("error", opened.reject);
  asking.end();
  return opened.promise;
}

function openLink(
  connection: Duplex,
  first: Buffer,
  clock: Clock,
  takesStreams: boolean,
): AgentLink {
  const closed = Promise.withResolvers<void>();
  const writer = frameWriter(connection);
  const calls = new Map<number, CallOverLink>();
  let newestCallId = 0;
  let isGoingAway = false;
  let heardAtMs = clock.nowMs();
  let lostBy: Error | undefined;

  const receive = ({ kind, callId, payload }: Frame): void => {
    if (kind !== LINK_FRAME.goaway) {
      calls.get(callId)?.receive(kind, payload);
      return;
    }
    isGoingAway = true;
    const lastCallId = payload.readUInt32BE(0);
    for (const [id, call] of calls) if (id > lastCallId) call.turnAway();
  };
  const read = frameReader(LINK_FRAME_BYTES_MAX, receive, LINK_FRAME.part);
  const onData = (chunk: Buffer): void => {
    heardAtMs = clock.nowMs();
    try {
      read(chunk);
    } catch (error) {
      connection.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  };

  // Calls with large bodies wait for room side by side.
  setMaxListeners(0, connection);
  if (connection instanceof Socket)
    connection.setTimeout(0).setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_PROBE_MS);
  connection.on("error", (error) => (lostBy = error));
  connection.on("end", () => connection.destroy());
  connection.once("close", () => {
    for (const call of calls.values()) call.lose(lostBy ?? new Error("its agent closed the link"));
    closed.resolve();
  });
  connection.on("data", onData);
  if (first.length > 0) onData(first);

  return {
    send: (request, startsOn) => {
      if (isGoingAway) return Promise.resolve(goingAway);
      if (connection.destroyed) return Promise.resolve(gone);
      if (!takesStreams && !(request.body instanceof Uint8Array))
        return Promise.resolve(takesNoStreams);
      newestCallId += 1;
      const sentAtMs = clock.nowMs();
      const callId = newestCallId;
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      const call = startCallOverLink(callId, request, startsOn, {
        send: writer.send,
        hasRoom: () => connection.writableLength < connection.writableHighWaterMark,
        onRoom: (listener) => connection.once("drain", listener),
        clock,
        // Where no byte came of any call either, the way there is cut, whatever the pings say that go another.
        onSilence: () => {
          if (heardAtMs < sentAtMs) connection.destroy(new Error("its agent says nothing"));
        },
        settle: resolve,
        over: () => calls.delete(callId),
      });
      calls.set(callId, call);
      return promise;
    },
    isSilentSince: (sinceMs) => calls.size > 0 && heardAtMs < sinceMs,
    giveUp: () => {
      for (const call of calls.values()) call.giveUp();
    },
    close: () => connection.destroy(),
    closed: closed.promise,
  };
}

/** What its agent said in other words: nothing of the call will run there. */
const goingAway: Outcome = {
  kind: "failed",
  failure: "refused",
  reason: "its agent is shutting down",
};

const gone: Outcome = {
  kind: "failed",
  failure: "not-sent",
  reason: "the link to its agent was just lost",
};
