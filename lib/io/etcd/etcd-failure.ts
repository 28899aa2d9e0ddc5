import { MeridianError } from "#lib/errors.ts";

/**
 * What a failed call to etcd says about the call. `not-sent`: no member saw it. `token`: the member asked for a new token and did
 * nothing. `refused`: a member decided against it. `lost`: nothing is known.
 */
export interface EtcdFailure {
  readonly kind: "not-sent" | "token" | "refused" | "lost";
  readonly reason: RefusalReason | undefined;
  readonly detail: string;
}

export type RefusalReason =
  | "compacted"
  | "future-revision"
  | "unknown-lease"
  | "forbidden"
  | "out-of-space"
  | "too-large"
  | "busy"
  | "other";

/** What the interceptor makes of etcd's own words, which etcd3 answers with repeating the call without end. */
export const TOKEN_EXPIRED = "the token is not valid any more";

const TOKEN = new RegExp(`${TOKEN_EXPIRED}|invalid auth token|revision of auth store is old`);

/** grpc-js says so only of a call that no connection has taken. */
const NOT_SENT =
  /No connection established|Channel closed before call started|Name resolution failed|Waiting for LB pick|waiting for name resolution|the client was already closed/;

const REFUSALS: readonly (readonly [RegExp, RefusalReason])[] = [
  [/required revision has been compacted/, "compacted"],
  [/required revision is a future revision/, "future-revision"],
  [/requested lease not found/, "unknown-lease"],
  [/permission denied|user name is empty|authentication failed/, "forbidden"],
  [/database space exceeded/, "out-of-space"],
  [/request is too large|larger than max/, "too-large"],
  [/too many requests/, "busy"],
];

/** INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED, UNAUTHENTICATED. */
const REFUSING_CODES = new Set([3, 5, 6, 7, 9, 11, 12, 16]);

/** etcd3 keeps gRPC's status only as the head of the message: `14 UNAVAILABLE: …`. */
const STATUS = /\b(\d{1,2}) [A-Z_]+: (.*)/s;

export function etcdFailure(thrown: unknown): EtcdFailure {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const [, code, detail = message] = STATUS.exec(message) ?? [];
  if (TOKEN.test(message)) return { kind: "token", reason: undefined, detail };
  if (NOT_SENT.test(message)) return { kind: "not-sent", reason: undefined, detail };
  for (const [pattern, reason] of REFUSALS)
    if (pattern.test(message)) return { kind: "refused", reason, detail };
  return REFUSING_CODES.has(Number(code))
    ? { kind: "refused", reason: "other", detail }
    : { kind: "lost", reason: undefined, detail };
}

export const etcdUnavailable = (detail: string, cause?: unknown): MeridianError =>
  new MeridianError("MERIDIAN_CATALOG_UNAVAILABLE", detail, cause === undefined ? {} : { cause });

export const etcdAmbiguous = (why: string, cause?: unknown): MeridianError =>
  new MeridianError(
    "MERIDIAN_WRITE_AMBIGUOUS",
    `The catalog did not confirm the change (${why}); look before repeating it.`,
    cause === undefined ? {} : { cause },
  );

/** A refusal, or a call that was given up, as its caller sees it. */
export function etcdError({ reason, detail }: EtcdFailure, cause: unknown): MeridianError {
  switch (reason) {
    case "unknown-lease":
      return new MeridianError(
        "MERIDIAN_NOT_FOUND",
        "There is no such lease, or it has expired; nothing was changed. Grant a new one.",
        { cause },
      );
    case "future-revision":
      return new MeridianError(
        "MERIDIAN_BAD_REQUEST",
        "The catalog refuses this: the asked revision is still to come.",
        { cause },
      );
    case "forbidden":
      return etcdUnavailable(
        `etcd does not let this user do that; grant it the catalog's prefix and the writers' beside it: ${detail}`,
        cause,
      );
    case "out-of-space":
      return etcdUnavailable(
        "etcd's database is at its quota; nothing was changed. Compact and defragment it or raise the quota, then disarm its alarm.",
        cause,
      );
    case "compacted":
    case "too-large":
    case "busy":
    case "other":
      return etcdUnavailable(`etcd refused the call: ${detail}`, cause);
    case undefined:
      return etcdUnavailable(`etcd cannot be reached: ${detail}`, cause);
  }
}
