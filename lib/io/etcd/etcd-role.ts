import type { Etcd3, IResponseHeader } from "etcd3";
import { MeridianError } from "#lib/errors.ts";
import type { ClusterIdentity } from "#lib/io/etcd/cluster-identity.ts";
import { type EtcdCallOptions, etcdClient, type EtcdConnection } from "#lib/io/etcd/etcd-client.ts";
import {
  etcdError,
  type EtcdFailure,
  etcdFailure,
  etcdUnavailable,
} from "#lib/io/etcd/etcd-failure.ts";
import { etcdTokens, withMetadata } from "#lib/io/etcd/etcd-token.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";

export interface EtcdRoleLimits {
  /** A member that has not answered in this time is left, while the call itself may have longer. */
  readonly attemptTimeoutMs: number;
  /** Between attempts: half to whole of a pause that doubles from the one to the other. */
  readonly pauseMsMin: number;
  readonly pauseMsMax: number;
}

export interface EtcdRoleOptions {
  readonly connection: EtcdConnection;
  /** One for all roles of a catalog. */
  readonly identity: ClusterIdentity;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: EtcdRoleLimits;
}

/** What an attempt works with. */
export interface EtcdAttempt {
  readonly client: Etcd3;
  /** With the deadline of a call; a stream has none, and asks to hear when the member loses its leader. */
  readonly options: EtcdCallOptions;
}

type Send<Answer> = (attempt: EtcdAttempt) => Promise<Answer>;
interface WithHeader {
  readonly header: IResponseHeader;
}

/** `endsAtMs` is on the role's clock. */
export interface CallLimits {
  readonly endsAtMs: number;
  readonly signal: AbortSignal | undefined;
}

export type Sent<Answer> =
  | { readonly kind: "answered"; readonly answer: Answer }
  | { readonly kind: "failed"; readonly failure: EtcdFailure; readonly cause: unknown };

/**
 * One use of etcd with connections of its own, so that watches, leases and calls neither starve nor break each other. It stays
 * with one member until that fails, then goes on to the next.
 */
export interface EtcdRole {
  /** Once, to one member. What did not come from a member counts against it. */
  readonly send: <Answer extends WithHeader>(
    send: Send<Answer>,
    endsAtMs: number,
  ) => Promise<Sent<Answer>>;
  /** Until answered or refused: only for what may happen twice. Fails with MERIDIAN_CATALOG_UNAVAILABLE when the time is over. */
  readonly settle: <Answer extends WithHeader>(
    send: Send<Answer>,
    limits: CallLimits,
  ) => Promise<Sent<Answer>>;
  /** The same for callers to whom every refusal is a failure. */
  readonly repeat: <Answer extends WithHeader>(
    send: Send<Answer>,
    limits: CallLimits,
  ) => Promise<Answer>;
  /** Opens a stream; `failed` tells that it broke. */
  readonly open: <Stream>(open: Send<Stream>, endsAtMs: number) => Promise<OpenStream<Stream>>;
  /** Fails with MERIDIAN_CATALOG_UNAVAILABLE where that is the header of another cluster, and leaves the member. */
  readonly confirm: (header: IResponseHeader) => Promise<void>;
  /** Waits before the attempt after so many failed ones; throws when there is no time left for it. */
  readonly pause: (failures: number, limits: CallLimits, why: EtcdFailure) => Promise<void>;
  readonly close: () => void;
}

export interface OpenStream<Stream> {
  readonly stream: Stream;
  /** Tells how it ended, once; `lost` leaves the member for the next. */
  readonly failed: (failure: EtcdFailure) => void;
}

export function etcdRole({
  connection,
  identity,
  clock,
  random,
  limits,
}: EtcdRoleOptions): EtcdRole {
  const { endpoints } = connection;
  const tokens = etcdTokens(connection);
  let turn = 0;
  let current: Etcd3 | undefined;
  let isClosed = false;

  const client = (): Etcd3 => {
    if (isClosed) throw etcdUnavailable("This connection to the catalog is closed.");
    return (current ??= etcdClient(connection, endpoints[turn % endpoints.length] ?? ""));
  };
  /** Its running calls go on, and those that wait for its connection fail as not sent. */
  const leave = (failed: Etcd3): void => {
    if (failed !== current) return;
    current = undefined;
    turn += 1;
    failed.close();
  };
  const note = (asked: Etcd3, token: string | undefined, { kind }: EtcdFailure): void => {
    if (kind === "token") tokens.expire(token);
    if (kind === "lost" || kind === "not-sent") leave(asked);
  };
  const until = (endsAtMs: number): EtcdCallOptions => {
    const leftMs = Math.min(limits.attemptTimeoutMs, endsAtMs - clock.nowMs());
    return { deadline: clock.wallMs() + Math.max(1, leftMs) };
  };

  const confirm = async (
    header: IResponseHeader,
    asked: Etcd3 | undefined,
    endsAtMs: number,
  ): Promise<void> => {
    if (identity.isKnown(header)) return;
    try {
      await identity.judge(header, endsAtMs - clock.nowMs());
    } catch (error) {
      if (asked !== undefined) leave(asked);
      throw error;
    }
  };

  const send = async <Answer extends WithHeader>(
    act: Send<Answer>,
    endsAtMs: number,
  ): Promise<Sent<Answer>> => {
    const asked = client();
    const options = until(endsAtMs);
    let token: string | undefined;
    try {
      if (connection.credentials !== undefined) token = await tokens.current(asked, options);
    } catch (cause) {
      const failure = asNotSent(etcdFailure(cause));
      note(asked, token, failure);
      return { kind: "failed", failure, cause };
    }
    try {
      const attempt = { client: asked, options: withMetadata(options, token, false) };
      const answer = await act(attempt);
      await confirm(answer.header, asked, endsAtMs);
      return { kind: "answered", answer };
    } catch (cause) {
      if (cause instanceof MeridianError) throw cause;
      const failure = etcdFailure(cause);
      note(asked, token, failure);
      return { kind: "failed", failure, cause };
    }
  };
  const pause: EtcdRole["pause"] = async (failures, { endsAtMs, signal }, why) => {
    const fullMs = Math.min(limits.pauseMsMax, limits.pauseMsMin * 2 ** (failures - 1));
    const pauseMs = fullMs * (0.5 + random.next() / 2);
    const isOver = clock.nowMs() + pauseMs >= endsAtMs;
    if (isClosed || isOver) throw etcdError(why, new Error(why.detail));
    await clock.sleep(pauseMs, signal).catch(() => undefined);
    if (signal?.aborted === true) throw etcdUnavailable("The call was given up.", signal.reason);
  };

  const settle: EtcdRole["settle"] = async (act, callLimits) => {
    for (let failures = 1; ; failures++) {
      const sent = await send(act, callLimits.endsAtMs);
      if (sent.kind === "answered" || isFinal(sent.failure)) return sent;
      await pause(failures, callLimits, sent.failure);
    }
  };

  return {
    send,
    confirm: (header) => confirm(header, current, Number.POSITIVE_INFINITY),
    pause,
    settle,
    repeat: async (act, callLimits) => {
      const sent = await settle(act, callLimits);
      if (sent.kind === "answered") return sent.answer;
      throw etcdError(sent.failure, sent.cause);
    },
    open: async (act, endsAtMs) => {
      const asked = client();
      const token = await tokens.current(asked, until(endsAtMs)).catch((cause: unknown) => {
        note(asked, undefined, etcdFailure(cause));
        throw cause;
      });
      const stream = await act({ client: asked, options: withMetadata({}, token, true) });
      return { stream, failed: (failure) => note(asked, token, failure) };
    },
    close: () => {
      isClosed = true;
      current?.close();
      current = undefined;
    },
  };
}

const isFinal = ({ kind, reason }: EtcdFailure): boolean => kind === "refused" && reason !== "busy";

/** Whatever became of the authentication, the call itself was not made. */
const asNotSent = (failure: EtcdFailure): EtcdFailure =>
  failure.kind === "lost" ? { ...failure, kind: "not-sent" } : failure;
