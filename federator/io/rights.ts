import type { RightsFrame } from "#lib/contracts/feed.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { divideRight, type Holder } from "../core/divide-right.ts";

/** A frame may arrive this much later than it was sent; a gateway counts from the arrival. */
const ARRIVAL_MAX_MS = 1_000;

export interface Right {
  readonly floorMillionths: number;
  readonly leaseMillionths: number;
}
type Rights = ReadonlyMap<string, Right>;
const NOTHING: Right = { floorMillionths: 0, leaseMillionths: 0 };

/** The zone's right to each tenant's limit, divided among the gateways that follow this federator. */
export interface RightsLedger {
  readonly set: (zoneRights: Rights) => void;
  /** The zone's leases were renewed: every gateway shall hear it. */
  readonly renewed: () => void;
  readonly join: (gateway: string) => void;
  readonly leave: (gateway: string) => void;
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
  mayHold: Rights;
  told: Rights;
  toldNonce: number;
  believesUntilMs: number;
  mustHear: "nothing" | "changes" | "everything";
}

/**
 * `leaseValidForMs` tells how long the zone itself may spend its leases. `isSettled` is false while a federator that has just
 * started may still gain its session: it says nothing before, so that gateways do not drop leases that are about to go on.
 */
export function rightsLedger(
  clock: Clock,
  leaseValidForMs: () => number,
  isSettled: () => boolean,
): RightsLedger {
  const listeners = new Set<() => void>();
  const gateways = new Map<string, GatewayState>();
  let zoneRights: Rights = new Map();

  const changed = (): void => {
    for (const state of gateways.values())
      if (state.mustHear === "nothing") state.mustHear = "changes";
  };
  const settled = (): void => {
    changed();
    for (const listener of listeners) listener();
  };

  return {
    set: (next) => {
      if (isSame(zoneRights, next)) return;
      zoneRights = next;
      changed();
    },
    renewed: () => {
      for (const state of gateways.values()) state.mustHear = "everything";
    },
    join: (gateway) => {
      gateways.set(gateway, joined(gateways.get(gateway)));
      changed();
    },
    leave: (gateway) => {
      const state = gateways.get(gateway);
      if (state === undefined) return;
      state.isConnected = false;
      changed();
    },
    next: (gateway, nonce) => {
      const state = gateways.get(gateway);
      if (state === undefined || state.mustHear === "nothing" || !isSettled()) return undefined;
      const parts = partsOf(gateway, gateways, zoneRights);
      const isKnown = state.mustHear === "changes" && isSame(state.told, parts);
      state.mustHear = "nothing";
      if (isKnown) return undefined;
      const leaseValidMs = Math.floor(leaseValidForMs());
      const believesUntilMs = clock.nowMs() + leaseValidMs + ARRIVAL_MAX_MS;
      state.mayHold = greater(state.mayHold, parts);
      state.told = parts;
      state.toldNonce = nonce;
      state.believesUntilMs = Math.max(state.believesUntilMs, believesUntilMs);
      const tenants = [...parts].map(([tenant, part]) => ({ tenant, ...part }));
      return { kind: "rights", nonce, leaseValidMs, tenants };
    },
    acknowledged: (gateway, nonce) => {
      const state = gateways.get(gateway);
      if (state === undefined || nonce < state.toldNonce || state.mayHold === state.told) return;
      state.mayHold = state.told;
      settled();
    },
    expire: () => {
      for (const [gateway, state] of gateways) {
        if (state.isConnected || clock.nowMs() < state.believesUntilMs) continue;
        gateways.delete(gateway);
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

/** One that comes back under its name is the same gateway, or took its place: what it may hold goes on. */
const joined = (before: GatewayState | undefined): GatewayState => ({
  mayHold: before?.mayHold ?? new Map(),
  told: new Map(),
  toldNonce: Number.POSITIVE_INFINITY,
  believesUntilMs: before?.believesUntilMs ?? Number.NEGATIVE_INFINITY,
  isConnected: true,
  mustHear: "everything",
});

function partsOf(
  gateway: string,
  gateways: ReadonlyMap<string, GatewayState>,
  zoneRights: Rights,
): Rights {
  const divide = (tenant: string, member: keyof Right, right: number): number => {
    const holders: readonly Holder[] = [...gateways].map(([name, { mayHold, isConnected }]) => ({
      name,
      isConnected,
      mayHold: mayHold.get(tenant)?.[member] ?? 0,
    }));
    return divideRight(right, holders).get(gateway) ?? 0;
  };
  return new Map(
    zoneRights.entries().map(([tenant, { floorMillionths, leaseMillionths }]) => [
      tenant,
      {
        floorMillionths: divide(tenant, "floorMillionths", floorMillionths),
        leaseMillionths: divide(tenant, "leaseMillionths", leaseMillionths),
      },
    ]),
  );
}

function greater(one: Rights, other: Rights): Rights {
  const tenants = new Set([...one.keys(), ...other.keys()]);
  return new Map(
    tenants.values().map((tenant) => {
      const { floorMillionths, leaseMillionths } = one.get(tenant) ?? NOTHING;
      const second = other.get(tenant) ?? NOTHING;
      return [
        tenant,
        {
          floorMillionths: Math.max(floorMillionths, second.floorMillionths),
          leaseMillionths: Math.max(leaseMillionths, second.leaseMillionths),
        },
      ];
    }),
  );
}

function isSame(one: Rights, other: Rights): boolean {
  return (
    one.size === other.size &&
    one.entries().every(([tenant, right]) => {
      const second = other.get(tenant);
      return (
        second?.floorMillionths === right.floorMillionths &&
        second.leaseMillionths === right.leaseMillionths
      );
    })
  );
}
