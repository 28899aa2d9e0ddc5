import type { Tier } from "#lib/plan/placement-class.ts";
import {
  type AdaptiveLimit,
  type ClusterRoom,
  roomFor,
  stepLimit,
  unlimited,
} from "./cluster-room.ts";

/** This gateway's calls under way on each cluster, and how many there may be. */
export interface ClusterRooms {
  /** `slots`: calls that the cluster serves at the same time, as far as the plan knows. */
  readonly roomFor: (
    clusterId: string,
    tier: Tier,
    slots: number | undefined,
    nowMs: number,
  ) => ClusterRoom;
  /** One attempt begins, of a function that serves so many calls at a time in one instance; gives the function that ends it. */
  readonly begin: (clusterId: string, concurrency: number) => () => void;
  readonly state: (clusterId: string) => {
    readonly inFlight: number;
    readonly inFlightMax: number;
  };
}

const STEP_MS = 1_000;

interface Cell {
  limit: AdaptiveLimit;
  steppedAtMs: number;
  inFlight: number;
  inFlightMost: number;
  taken: number;
}

/** Limits move when they are asked for: no timers, and clusters that nobody calls cost nothing. Workers share slots evenly. */
export function createClusterRooms(
  roundTripMs: (clusterId: string) => number | undefined,
  workers = 1,
): ClusterRooms {
  const cells = new Map<string, Cell>();
  const cellOf = (clusterId: string): Cell => {
    const known = cells.get(clusterId);
    if (known !== undefined) return known;
    const none = { inFlight: 0, inFlightMost: 0, taken: 0 };
    const cell: Cell = { limit: unlimited, steppedAtMs: 0, ...none };
    cells.set(clusterId, cell);
    return cell;
  };
  return {
    roomFor: (clusterId, tier, slots, nowMs) => {
      const cell = cellOf(clusterId);
      if (nowMs - cell.steppedAtMs >= STEP_MS) {
        const { inFlightMost } = cell;
        cell.limit = stepLimit(cell.limit, { roundTripMs: roundTripMs(clusterId), inFlightMost });
        cell.steppedAtMs = nowMs;
        cell.inFlightMost = cell.inFlight;
      }
      return roomFor(tier, cell, slots === undefined ? undefined : slots / workers);
    },
    state: (clusterId) => {
      const { inFlight, limit } = cellOf(clusterId);
      return { inFlight, inFlightMax: Math.floor(limit.calls) };
    },
    begin: (clusterId, concurrency) => {
      const cell = cellOf(clusterId);
      cell.inFlight += 1;
      cell.taken += 1 / concurrency;
      cell.inFlightMost = Math.max(cell.inFlightMost, cell.inFlight);
      return () => {
        cell.inFlight -= 1;
        // What adding up fractions left over ends here.
        cell.taken = cell.inFlight === 0 ? 0 : cell.taken - 1 / concurrency;
      };
    },
  };
}
