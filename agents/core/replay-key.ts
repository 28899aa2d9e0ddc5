import { hash } from "node:crypto";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Call } from "./read-call.ts";

/** `key`: the caller's `Idempotency-Key`. `sdk`: an AWS SDK's `amz-sdk-invocation-id`, the same on each of its attempts. */
export type ReplaySource = "key" | "sdk";

/** What makes two calls one: the second is answered with the first one's answer. */
export interface ReplayKey {
  readonly source: ReplaySource;
  /** The same for two calls if tenant, function, alias and the caller's key are. */
  readonly id: string;
  readonly tenant: string;
  /** Of the request itself: a key that comes with another one is a mistake of the caller's. */
  readonly fingerprint: string;
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const VALUE = /^[\x21-\x7e]{1,255}$/;
/** Headers that are new with every attempt of one and the same request. */
const OF_ONE_ATTEMPT =
  /^(?:date|age|via|x-request-id|traceparent|tracestate|x-forwarded-.*|amz-sdk-request|x-amz-date|content-length)$/;
const ALIAS = /^[a-z0-9-]{0,63}$/;

/** Undefined where the call has none. A gateway of the version before sends neither key nor alias. */
export function readReplayKey(headers: Headers, call: Call, body: Buffer): ReplayKey | undefined {
  const { idempotencyKey, sdkInvocationId } = INVOCATION_HEADERS;
  if (headers[idempotencyKey] !== undefined)
    return keyOf("key", idempotencyKey, headers, call, body);
  if (headers[sdkInvocationId] === undefined) return undefined;
  return keyOf("sdk", sdkInvocationId, headers, call, body);
}

function keyOf(
  source: ReplaySource,
  name: string,
  headers: Headers,
  call: Call,
  body: Buffer,
): ReplayKey {
  const { tenant, functionName } = call;
  const value = headers[name];
  const alias = headers[INVOCATION_HEADERS.alias] ?? "";
  if (typeof value !== "string" || !VALUE.test(value)) throw malformed(name);
  if (typeof alias !== "string" || !ALIAS.test(alias)) throw malformed(INVOCATION_HEADERS.alias);
  // None of the parts can hold a line break, so that no two lists of them give one text.
  const id = hash("sha256", [source, tenant, functionName, alias, value].join("\n"), "base64url");
  return { source, id, tenant, fingerprint: fingerprintOf(call, body) };
}

/** All that the function is asked; of a request over HTTP also all that may tell it who asks. */
function fingerprintOf({ door, contentType }: Call, body: Buffer): string {
  const asked =
    door.kind === "invoke"
      ? [contentType]
      : [
          contentType,
          door.request.method,
          door.request.path,
          door.request.rawQuery,
          ...Object.entries(door.request.headers)
            .filter(([name]) => !OF_ONE_ATTEMPT.test(name))
            .toSorted(([one], [other]) => (one < other ? -1 : 1))
            .flat(),
          ...door.request.cookies,
        ];
  const bodyHash = hash("sha256", body, "base64url");
  return hash("sha256", JSON.stringify([door.kind, asked, bodyHash]), "base64url");
}

const malformed = (name: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_BAD_REQUEST",
    `The header ${name} is malformed; gateways pass it on as callers may send it.`,
  );
