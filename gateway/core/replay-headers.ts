import { hash } from "node:crypto";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import type { Random } from "#lib/ports/random.ts";
import type { Headers } from "./hop-headers.ts";
import type { FunctionAddress } from "./match-route.ts";

const KEY = /^[\x21-\x7e]{1,255}$/;
/** Of a digest in hexadecimal; more would not fit into a number exactly. */
const DRAW_DIGITS = 13;

/** Quotes, which some write around it, are part of it. */
export const isIdempotencyKey = (value: string): boolean => KEY.test(value);

/** What says that a call may be a repetition. */
interface CallersKey {
  readonly header: string;
  readonly value: string;
}

/**
 * The caller's own key counts before what its SDK sends along; the form of the latter is not the caller's doing, and one that is
 * not well-formed is none.
 */
function callersKey(headers: Headers): CallersKey | undefined {
  const key = headers["idempotency-key"];
  if (typeof key === "string") return { header: INVOCATION_HEADERS.idempotencyKey, value: key };
  const invocationId = headers["amz-sdk-invocation-id"];
  return typeof invocationId === "string" && KEY.test(invocationId)
    ? { header: INVOCATION_HEADERS.sdkInvocationId, value: invocationId }
    : undefined;
}

/** What tells the agent of the key; undefined where there is none. */
export function replayHeaders(headers: Headers, alias: string): Record<string, string> | undefined {
  const key = callersKey(headers);
  return key && { [key.header]: key.value, [INVOCATION_HEADERS.alias]: alias };
}

/**
 * One throw of the dice for all calls with one key, so that they meet the cluster that knows it for as long as the shares of the
 * clusters stay as they are; undefined where there is no key.
 */
export function keyedRandom(
  headers: Headers,
  { tenant, functionName }: FunctionAddress,
): Random | undefined {
  const key = callersKey(headers);
  if (key === undefined) return undefined;
  const digest = hash("sha256", `${tenant}/${functionName}/${key.value}`, "hex");
  const drawn = Number.parseInt(digest.slice(0, DRAW_DIGITS), 16) / 16 ** DRAW_DIGITS;
  return { next: () => drawn };
}
