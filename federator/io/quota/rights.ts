import type { RightsFrame } from "#lib/contracts/feed.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { divideRight, type Holder } from "../../core/quota/divide-right.ts";

/** All is said again so often, whatever changed. */
const FULL_INTERVAL_MS = 60_000;
/** A gateway's clock may be slow; and one of the version before, which does not tell it, counts its lease from the arrival. */
export const BELIEF_MARGIN_MS = 1_000;

export interface Right {
  readonly floorMillionths: number;
  readonly leaseMillionths: number;
}
type Rights = ReadonlyMap<string, Right>;
const NOTHING: Right = { floorMillionths: 0, leaseMillionths: 0 };

/** The zone's right to each tenant's limit, divided among the gateways that follow this federator. */
export interface RightsLedger {
  /** What the zone has, and the revision of the catalog that says so. */
  readonly set: (zoneRights: Rights, asOfRevision: number) => void;
  /** The zone's leases were renewed: every gateway shall hear it. */
  readonly renewed: () => void;
  readonly join: (gateway: string) => void;
  readonly leave: (gateway: string) => void;
  /** It said itself that it holds nothing any more. */
  readonly release: (gateway: string) => void;
  /** What the gateway must be told now, noted as told under the nonce; undefined when it knows. */
  readonly next: (gateway: string, nonce: number) => RightsFrame | undefined;
  /** The gateway has done as the frame of this nonce, or a later one, said. */
  readonly acknowledged: (gateway: string, nonce: number) => void;
  /** Lets go of what gateways that left cannot believe to hold any more. */
  readonly expire: () => void;
  /** The most of the tenant's lease that all gateways together may believe to hold, in millionths. */
  readonly leaseHeld: (tenant: string) => number;
  /** Calls back whenever a gateway has let go of something. */
  readonly onSettled: (listener: () => void) => void;
}

interface GatewayState {
  isConnected: boolean;
  /** Upper bound of what it believes: everything told since the last acknowledgement. */
  readonly mayHold: Map<string, Right>;
  readonly told: Map<string, Right>;
  /** Tenants of whom it may still hold more than it was told last, and the nonce of the frame that told it. */
  readonly lowered: Map<string, number>;
  /** What it must be told: other than what it was told. */
  readonly news: Map<string, Right>;
  believesUntilMs: number;
  fullAtMs: number;
  /** Its leases go on. */
  isRenewed: boolean;
}

/**
 * `leaseValidForMs` tells how long the zone itself may spend its leases, as that revision has them. `isSettled` is false while a federator that has just
 * started may still gain its session: it says nothing before, so that gateways do not drop leases that are about to go on.
 */
export function rightsLedger(
  clock: Clock,
  leaseValidForMs: (asOfRevision: number) => number,
  isSettled: (asOfRevision: number) => boolean,
): RightsLedger {
  const listeners = new Set<() => void>();
  const gateways = new Map<string, GatewayState>();
  let zoneRights: Rights = new Map();
  let asOfRevision = 0;
  /** Tenants whose right must be divided again: theirs changed, or what gateways may hold of it did. */
  const undivided = new Set<string>();

  const settled = (): void => {
    for (const listener of listeners) listener();
  };
  const divideAgain = (tenants: Iterable<string>): void => {
    for (const tenant of tenants) undivided.add(tenant);
  };
  const divide = (): void => {
    for (const tenant of undivided) {
      const parts = partsOf(tenant, zoneRights.get(tenant) ?? NOTHING, gateways);
      for (const [gateway, part] of parts) {
        const state = gateways.get(gateway);
        if (state === undefined) continue;
        if (isSame(state.told.get(tenant), part)) state.news.delete(tenant);
        else state.news.set(tenant, part);
      }
    }
    undivided.clear();
  };

  return {
    set: (next, revision) => {
      const tenants = new Set([...zoneRights.keys(), ...next.keys()]);
      divideAgain(
        tenants.values().filter((tenant) => !isSame(zoneRights.get(tenant), next.get(tenant))),
      );
      zoneRights = next;
      asOfRevision = revision;
    },
    renewed: () => {
      for (const state of gateways.values()) state.isRenewed = true;
    },
    join: (gateway) => {
      gateways.set(gateway, joined(gateways.get(gateway)));
      divideAgain(zoneRights.keys());
    },
    leave: (gateway) => {
      const state = gateways.get(gateway);
      if (state === undefined) return;
      state.isConnected = false;
      divideAgain(zoneRights.keys());
    },
    release: (gateway) => {
      const state = gateways.get(gateway);
      if (state === undefined) return;
      gateways.delete(gateway);
      divideAgain(state.mayHold.keys());
      settled();
    },
    next: (gateway, nonce) => {
      const state = gateways.get(gateway);
      if (state === undefined || !isSettled(asOfRevision)) return undefined;
      divide();
      const isFull = clock.nowMs() - state.fullAtMs >= FULL_INTERVAL_MS;
      if (!isFull && !state.isRenewed && state.news.size === 0) return undefined;
      const said = isFull ? new Map([...state.told, ...state.news]) : new Map(state.news);
      tell(state, said, nonce);
      if (isFull) state.fullAtMs = clock.nowMs();
      state.isRenewed = false;
      const leaseValidMs = Math.floor(leaseValidForMs(asOfRevision));
      const believesUntilMs = clock.nowMs() + leaseValidMs + BELIEF_MARGIN_MS;
      state.believesUntilMs = Math.max(state.believesUntilMs, believesUntilMs);
      const tenants = Array.from(said, ([tenant, part]) => ({ tenant, ...part }));
      const isPartial = isFull ? {} : { isPartial: true };
      return { kind: "rights", nonce, leaseValidMs, ...isPartial, tenants };
    },
    acknowledged: (gateway, nonce) => {
      const state = gateways.get(gateway);
      if (state === undefined) return;
      const released = [...state.lowered].filter(([, toldNonce]) => toldNonce <= nonce);
      if (released.length === 0) return;
      for (const [tenant] of released) letGo(state, tenant);
      divideAgain(released.map(([tenant]) => tenant));
      settled();
    },
    expire: () => {
      for (const [gateway, state] of gateways) {
        if (state.isConnected || clock.nowMs() < state.believesUntilMs) continue;
        gateways.delete(gateway);
        divideAgain(state.mayHold.keys());
        settled();
      }
    },
    onSettled: (listener) => {
      listeners.add(listener);
    },
    leaseHeld: (tenant) =>
      gateways
        .values()
        .reduce((sum, { mayHold }) => sum + (mayHold.get(tenant)?.leaseMillionths ?? 0), 0),
  };
}

/** One that comes back under its name is the same gateway, or took its place: what it may hold goes on, and it hears all anew. */
const joined = (before: GatewayState | undefined): GatewayState => ({
  mayHold: before?.mayHold ?? new Map(),
  told: new Map(),
  lowered: new Map(),
  news: new Map(),
  believesUntilMs: before?.believesUntilMs ?? Number.NEGATIVE_INFINITY,
  fullAtMs: Number.NEGATIVE_INFINITY,
  isConnected: true,
  isRenewed: false,
});

/** Notes what the frame of the nonce says: an increase counts at once, a decrease when it is acknowledged. */
function tell(state: GatewayState, said: Rights, nonce: number): void {
  for (const [tenant, part] of said) {
    const mayHold = greater(state.mayHold.get(tenant), part);
    state.mayHold.set(tenant, mayHold);
    state.told.set(tenant, part);
    if (isSame(mayHold, part)) state.lowered.delete(tenant);
    else state.lowered.set(tenant, nonce);
  }
  state.news.clear();
}

function letGo(state: GatewayState, tenant: string): void {
  state.lowered.delete(tenant);
  const told = state.told.get(tenant) ?? NOTHING;
  state.mayHold.set(tenant, told);
}

/** What each connected gateway may have of one tenant's right. */
function partsOf(
  tenant: string,
  right: Right,
  gateways: ReadonlyMap<string, GatewayState>,
): ReadonlyMap<string, Right> {
  const divide = (member: keyof Right): ReadonlyMap<string, number> => {
    const holders: readonly Holder[] = Array.from(gateways, ([name, { mayHold, isConnected }]) => ({
      name,
      isConnected,
      mayHold: mayHold.get(tenant)?.[member] ?? 0,
    }));
    return divideRight(right[member], holders);
  };
  const floors = divide("floorMillionths");
  const leases = divide("leaseMillionths");
  return new Map(
    floors
      .entries()
      .map(([name, floorMillionths]) => [
        name,
        { floorMillionths, leaseMillionths: leases.get(name) ?? 0 },
      ]),
  );
}

const greater = (one: Right = NOTHING, other: Right): Right => ({
  floorMillionths: Math.max(one.floorMillionths, other.floorMillionths),
  leaseMillionths: Math.max(one.leaseMillionths, other.leaseMillionths),
});

const isSame = (one: Right | undefined, other: Right | undefined): boolean =>
  one?.floorMillionths === other?.floorMillionths &&
  one?.leaseMillionths === other?.leaseMillionths;
