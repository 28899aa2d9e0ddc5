/*
 * W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context-1/): the trace that a caller is in goes on with a span of this
 * gateway's own; where it says nothing, or nothing that can be read, a new trace begins here.
 */

/** Where a call stands in a trace. */
export interface TraceContext {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string;
  /** This gateway's part of the call: 16 lower-case hexadecimal digits. */
  readonly spanId: string;
  /** The caller's span; undefined where the trace begins here. */
  readonly parentId: string | undefined;
  /** The caller may have recorded it; where the trace begins here, this gateway does. */
  readonly isSampled: boolean;
  /** What tracing systems say to each other, as it goes on; empty for nothing. */
  readonly traceState: string;
}

export interface TraceIds {
  readonly traceId: () => string;
  readonly spanId: () => string;
}

/** What a `traceparent` of any version known or to come says. */
interface TraceParent {
  readonly traceId: string;
  readonly parentId: string;
  readonly isSampled: boolean;
}

/** A comma can only come from several headers, which must not be believed. */
const TRACE_PARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[^,]*)?$/;
const KEY = /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/;
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
const MEMBERS_MAX = 32;
/** As much as everybody must hand on; what is longer loses members. */
const STATE_CHARACTERS_MAX = 512;
/** Members longer than this go first. */
const LONG_MEMBER_CHARACTERS = 128;

/** `samples` decides for traces that begin here; the caller's word holds for its own. */
export function enterTrace(
  traceParent: string | undefined,
  traceState: string | undefined,
  ids: TraceIds,
  samples: (traceId: string) => boolean,
): TraceContext {
  const caller = traceParent === undefined ? undefined : parseTraceParent(traceParent);
  const spanId = ids.spanId();
  if (caller !== undefined)
    return { ...caller, spanId, traceState: parseTraceState(traceState ?? "") };
  const traceId = ids.traceId();
  return { traceId, spanId, parentId: undefined, isSampled: samples(traceId), traceState: "" };
}

/** The header for whoever is called next: this gateway's span is its parent. */
export const traceParentOf = ({ traceId, spanId, isSampled }: TraceContext): string =>
  `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;

/** Version 00 to the letter; of a later version only what this one shares with it. */
export function parseTraceParent(header: string): TraceParent | undefined {
  const [, version, traceId = "", parentId = "", flags = "", more] =
    TRACE_PARENT.exec(header) ?? [];
  if (version === undefined || (version === "00" && more !== undefined)) return undefined;
  return { traceId, parentId, isSampled: Number.parseInt(flags, 16) % 2 === 1 };
}

/** As it may go on: empty where it is malformed, shortened where it is long. */
export function parseTraceState(header: string): string {
  if (header === "") return "";
  const members = header
    .split(",")
    .map(withoutBlanks)
    .filter((member) => member !== "");
  return members.length <= MEMBERS_MAX && members.every(isMember) ? shortened(members) : "";
}

/** The same at every hop that asks with the same share: by the last digits of the id, which are random by convention. */
export function isInShare(traceId: string, share: number): boolean {
  if (share >= 1) return true;
  return Number.parseInt(traceId.slice(-8), 16) < share * 2 ** 32;
}

const withoutBlanks = (member: string): string => member.replace(/^[ \t]+|[ \t]+$/g, "");

function isMember(member: string): boolean {
  const equals = member.indexOf("=");
  return KEY.test(member.slice(0, equals)) && VALUE.test(member.slice(equals + 1));
}

function shortened(members: string[]): string {
  const length = (): number => members.reduce((sum, { length: own }) => sum + own + 1, -1);
  while (length() > STATE_CHARACTERS_MAX) {
    const long = members.findLastIndex(({ length: own }) => own > LONG_MEMBER_CHARACTERS);
    members.splice(long === -1 ? members.length - 1 : long, 1);
  }
  return members.join(",");
}
