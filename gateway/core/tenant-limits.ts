import type { TenantRoute } from "#lib/contracts/route-table.ts";
import { WHOLE } from "#lib/divide-grants.ts";
import {
  type BucketRate,
  emptyBucket,
  refill,
  type TokenBucket,
  untilTokenMs,
} from "./token-bucket.ts";

export type TenantLimitValues = TenantRoute["limits"];

/** A gateway's part of a tenant's rate and burst, in millionths of the limit. */
export interface TenantShare {
  readonly tenant: string;
  readonly floorMillionths: number;
  readonly leaseMillionths: number;
}

export type RateDecision =
  | { readonly kind: "admitted" }
  | { readonly kind: "refused"; readonly retryAfterMs: number };

/** What each tenant may still do here: its share of the rate, and its concurrent calls in this zone. */
export interface TenantLimits {
  /**
   * New shares; the lease parts end `leaseValidMs` from now unless they come again. Tenants that are not named keep their share:
   * with `others: "go-on"` their leases go on as those of the named, else they end.
   */
  readonly applyShares: (
    shares: readonly TenantShare[],
    leaseValidMs: number,
    nowMs: number,
    others?: "go-on" | "end",
  ) => void;
  readonly takeRate: (tenant: string, limits: TenantLimitValues, nowMs: number) => RateDecision;
  /** Gives a taken token back: the call was refused later, and cost nothing. */
  readonly returnRate: (tenant: string) => void;
  readonly hasRoom: (tenant: string, limits: TenantLimitValues) => boolean;
  readonly enter: (tenant: string, limits: TenantLimitValues) => boolean;
  readonly leave: (tenant: string) => void;
  /** The shares are others' from now on: nothing gathers any more, and what has may still be spent. */
  readonly giveUpShares: (nowMs: number) => void;
  /** What is left to each tenant that was heard of, in no order. */
  readonly state: (nowMs: number) => readonly TenantAllowanceNow[];
}

export interface TenantAllowanceNow extends TenantShare {
  readonly leaseLeftMs: number;
  readonly tokens: number;
  readonly inFlight: number;
  /** Undefined until the tenant has called here. */
  readonly limits: TenantLimitValues | undefined;
}

interface Account {
  share: TenantShare;
  leaseUntilMs: number;
  bucket: TokenBucket;
  /** The limits in force when the bucket was last looked at. */
  limits: TenantLimitValues | undefined;
}

/**
 * `defaultFloorMillionths` is the share of a tenant of whom no share has been heard. Of the calls that a tenant may have running in
 * the zone each of its `workers` permits an even part.
 */
export function createTenantLimits(
  defaultFloorMillionths: number,
  startMs: number,
  workers = 1,
): TenantLimits {
  const accounts = new Map<string, Account>();
  const inFlight = new Map<string, number>();
  /** For the buckets time goes no further than this. */
  let gathersUntilMs = Number.POSITIVE_INFINITY;
  const roomOf = ({ concurrency }: TenantLimitValues): number =>
    Math.max(1, Math.floor(concurrency / workers));

  const accountOf = (tenant: string, sinceMs: number): Account => {
    const known = accounts.get(tenant);
    if (known !== undefined) return known;
    const share = { tenant, floorMillionths: defaultFloorMillionths, leaseMillionths: 0 };
    const bucket = emptyBucket(sinceMs);
    const account: Account = { share, leaseUntilMs: sinceMs, bucket, limits: undefined };
    accounts.set(tenant, account);
    return account;
  };

  const apply = (share: TenantShare, leaseValidMs: number, nowMs: number): void => {
    const account = accountOf(share.tenant, nowMs);
    // What has gathered until now did so under the old share, as far as the limits are known.
    if (account.limits !== undefined) settle(account, account.limits, nowMs);
    else if (isMore(share, account, nowMs)) account.bucket = emptyBucket(nowMs);
    account.share = share;
    account.leaseUntilMs = nowMs + leaseValidMs;
  };

  return {
    applyShares: (shares, leaseValidMs, nowMs, others = "end") => {
      if (nowMs >= gathersUntilMs) return;
      const named = new Set(shares.map(({ tenant }) => tenant));
      for (const [tenant, { share }] of accounts)
        if (share.leaseMillionths > 0 && !named.has(tenant))
          apply(others === "go-on" ? share : { ...share, leaseMillionths: 0 }, leaseValidMs, nowMs);
      for (const share of shares) apply(share, leaseValidMs, nowMs);
    },
    takeRate: (tenant, limits, sinceMs) => {
      const nowMs = Math.min(sinceMs, gathersUntilMs);
      const account = accountOf(tenant, startMs);
      settle(account, account.limits ?? limits, nowMs);
      const rate = rateOf(account, limits, nowMs);
      account.limits = limits;
      account.bucket = refill(account.bucket, rate, nowMs);
      if (account.bucket.tokens < 1)
        return { kind: "refused", retryAfterMs: untilTokenMs(account.bucket, rate) };
      account.bucket = { ...account.bucket, tokens: account.bucket.tokens - 1 };
      return { kind: "admitted" };
    },
    returnRate: (tenant) => {
      const account = accounts.get(tenant);
      if (account !== undefined)
        account.bucket = { ...account.bucket, tokens: account.bucket.tokens + 1 };
    },
    hasRoom: (tenant, limits) => (inFlight.get(tenant) ?? 0) < roomOf(limits),
    enter: (tenant, limits) => {
      const count = inFlight.get(tenant) ?? 0;
      if (count >= roomOf(limits)) return false;
      inFlight.set(tenant, count + 1);
      return true;
    },
    giveUpShares: (nowMs) => {
      gathersUntilMs = Math.min(gathersUntilMs, nowMs);
    },
    state: (nowMs) =>
      Array.from(accounts, ([tenant, account]) => ({
        ...account.share,
        leaseLeftMs: Math.max(0, account.leaseUntilMs - nowMs),
        tokens: tokensAt(account, nowMs),
        inFlight: inFlight.get(tenant) ?? 0,
        limits: account.limits,
      })),
    leave: (tenant) => {
      const count = (inFlight.get(tenant) ?? 1) - 1;
      if (count === 0) inFlight.delete(tenant);
      else inFlight.set(tenant, count);
    },
  };
}

const isMore = (share: TenantShare, account: Account, nowMs: number): boolean =>
  account.leaseUntilMs < nowMs ||
  share.floorMillionths + share.leaseMillionths >
    account.share.floorMillionths + account.share.leaseMillionths;

/** Brings the bucket up to now; a lease that ended in between counts only until its end. */
function settle(account: Account, limits: TenantLimitValues, nowMs: number): void {
  const leaseEndMs = Math.min(account.leaseUntilMs, nowMs);
  if (account.bucket.atMs < leaseEndMs) {
    const rate = rateOf(account, limits, account.bucket.atMs);
    account.bucket = refill(account.bucket, rate, leaseEndMs);
  }
  account.bucket = refill(account.bucket, rateOf(account, limits, nowMs), nowMs);
}

/** Without touching the account: to look changes nothing. */
function tokensAt(account: Account, nowMs: number): number {
  if (account.limits === undefined) return account.bucket.tokens;
  const looked = { ...account };
  settle(looked, account.limits, nowMs);
  return looked.bucket.tokens;
}

function rateOf(account: Account, limits: TenantLimitValues, atMs: number): BucketRate {
  const { floorMillionths, leaseMillionths } = account.share;
  const millionths = floorMillionths + (atMs < account.leaseUntilMs ? leaseMillionths : 0);
  return {
    ratePerSecond: (limits["requests-per-second"] * millionths) / WHOLE,
    burst: (limits.burst * millionths) / WHOLE,
  };
}
