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
  readonly roomFor: (clusterId: string, tier: Tier, nowMs: number) => ClusterRoom;
  /** One attempt begins; gives the function that ends it. */
  readonly begin: (clusterId: string) => () => void;
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
}

/** Limits move when they are asked for: no timers, and clusters that nobody calls cost nothing. */
export function createClusterRooms(
  roundTripMs: (clusterId: string) => number | undefined,
): ClusterRooms {
  const cells = new Map<string, Cell>();
  const cellOf = (clusterId: string): Cell => {
    const known = cells.get(clusterId);
    if (known !== undefined) return known;
    const cell: Cell = { limit: unlimited, steppedAtMs: 0, inFlight: 0, inFlightMost: 0 };
    cells.set(clusterId, cell);
    return cell;
  };
  return {
    roomFor: (clusterId, tier, nowMs) => {
      const cell = cellOf(clusterId);
      if (nowMs - cell.steppedAtMs >= STEP_MS) {
        const { inFlightMost } = cell;
        cell.limit = stepLimit(cell.limit, { roundTripMs: roundTripMs(clusterId), inFlightMost });
        cell.steppedAtMs = nowMs;
        cell.inFlightMost = cell.inFlight;
      }
      return roomFor(tier, cell.limit, cell.inFlight);
    },
    state: (clusterId) => {
      const { inFlight, limit } = cellOf(clusterId);
      return { inFlight, inFlightMax: Math.floor(limit.calls) };
    },
    begin: (clusterId) => {
      const cell = cellOf(clusterId);
      cell.inFlight += 1;
      cell.inFlightMost = Math.max(cell.inFlightMost, cell.inFlight);
      return () => {
        cell.inFlight -= 1;
      };
    },
  };
}
