import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";
import { Name, VersionNumber } from "./names.ts";

/*
 * What functions used, for `GET /v1/usage` and what federators ask of agents for it. Each agent keeps a book of what ran on its cluster
 * and is the only one who counts it; a federator adds up the books of all zones.
 */
export const USAGE_ITEMS_MAX = 1_000;
/** As JavaScript has them, 275,000 years after 1970; it keeps sums of milliseconds exact. */
export const USAGE_LAST_MS = 8_640_000_000_000_000;
const Count = Type.Integer({ minimum: 0 });
/** Sums over years and zones: whole, and past 2^53 no longer exact to the last unit. */
const Sum = Type.Number({ minimum: 0 });
const TimeMs = Type.Integer({ minimum: 0, maximum: USAGE_LAST_MS });

const shownCounts = {
  /** Calls that were handed to an instance, failed ones included. */
  invocations: Count,
  /** Of them: the handler threw, ran out of time, or its process ended. */
  errors: Count,
  /** Calls that were answered with the failure of their function's start; they are no invocations. */
  initErrors: Count,
  /** Invocations that waited for their instance to start. */
  coldStarts: Count,
  /** How long instances ran calls, each time rounded up to a millisecond; a start counts with the call that waited for it. */
  billedMs: Sum,
  /** Bodies of answers that functions gave. */
  egressBytes: Sum,
};
const counts = {
  ...shownCounts,
  /** `billedMs` by the version's memory. */
  megabyteMs: Sum,
};

/** Every figure that is added up. */
export const USAGE_COUNTS = [
  "invocations",
  "errors",
  "initErrors",
  "coldStarts",
  "billedMs",
  "egressBytes",
  "megabyteMs",
] as const satisfies readonly (keyof typeof counts)[];

export const UsageCounts = Type.Object(counts, extensible);
export type UsageCounts = Static<typeof UsageCounts>;

export const UsageInterval = Type.Enum(["hour", "day", "total"]);
export type UsageInterval = Static<typeof UsageInterval>;

/** Absent parts of a key were added up. */
const key = {
  startMs: TimeMs,
  tenant: Name,
  functionName: Type.Optional(Name),
  version: Type.Optional(VersionNumber),
};

/** `GET /internal/usage?query=`, as JSON. */
export const AgentUsageQuery = Type.Object(
  {
    tenant: Type.Optional(Name),
    functionName: Type.Optional(Name),
    fromMs: TimeMs,
    toMs: TimeMs,
    interval: UsageInterval,
    by: Type.Enum(["tenant", "function", "version"]),
    /** Only rows with this key or a later one, in the order of start, tenant, function and version. */
    since: Type.Optional(Type.Object(key, extensible)),
    limit: Type.Integer({ minimum: 1, maximum: USAGE_ITEMS_MAX + 2 }),
  },
  extensible,
);
export type AgentUsageQuery = Static<typeof AgentUsageQuery>;

export const AgentUsageRow = Type.Object({ ...key, endMs: TimeMs, ...counts }, extensible);
export type AgentUsageRow = Static<typeof AgentUsageRow>;

export const AgentUsage = Type.Object(
  {
    /** Of the book: one that answers twice, under two addresses, counts once. */
    bookId: Type.String({ minLength: 1, maxLength: 64 }),
    /** False: something that was counted is not written yet, or could not be kept. */
    isComplete: Type.Boolean(),
    rows: Type.Array(AgentUsageRow),
  },
  extensible,
);
export type AgentUsage = Static<typeof AgentUsage>;

export const UsageItem = Type.Object(
  {
    ...key,
    endMs: TimeMs,
    zone: Type.Optional(Name),
    ...shownCounts,
    /** A gigabyte is 1,024 megabytes, as AWS Lambda counts. */
    gigabyteSeconds: Type.Number({ minimum: 0 }),
  },
  extensible,
);
export type UsageItem = Static<typeof UsageItem>;

export const UsagePage = Type.Object(
  {
    items: Type.Array(UsageItem),
    /** The `cursor` of the next page. */
    next: Type.Union([Type.String(), Type.Null()]),
    /** What was asked for, to whole hours. */
    fromMs: TimeMs,
    toMs: TimeMs,
    /** Did not answer: what ran there is missing. */
    silentZones: Type.Array(Name),
    /** Answered, and have something that is not on their disk yet, or that they could not keep. */
    incompleteZones: Type.Array(Name),
  },
  extensible,
);
export type UsagePage = Static<typeof UsagePage>;
