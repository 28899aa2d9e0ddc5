import { setTimeout as delay } from "node:timers/promises";
import type { FederationStatus } from "#lib/contracts/api-status.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import { managementClient } from "./management-client.ts";

const POLL_MS = 100;
const ANSWER_LIMIT_MS = 1_000;

export interface StatusObserver {
  /** When the status first showed the zone's cluster down, on the machine's clock; null so far. */
  readonly detectedMs: () => number | null;
  /** Only what is seen from now on counts as the fault's. */
  readonly watchForDown: () => void;
  readonly stop: () => Promise<void>;
}

/** Asks one gateway for the federation's status each 100 ms, and tells what changes. */
export function observeStatus(
  gateway: string,
  apiKey: string,
  zone: string,
  event: (what: string) => void,
): StatusObserver {
  const client = managementClient(gateway, apiKey);
  const stopping = new AbortController();
  let detectedMs: number | null = null;
  let isWatching = false;
  let before: Seen | undefined;

  const observe = async () => {
    while (!stopping.signal.aborted) {
      const status = await client.status(ANSWER_LIMIT_MS, stopping.signal).catch(() => undefined);
      const seen = status === undefined ? undefined : see(status, zone);
      if (seen !== undefined) {
        for (const change of describeChanges(before, seen, zone)) event(change);
        before = seen;
        if (isWatching && seen.state === "down") detectedMs ??= machineNowMs();
      }
      await delay(POLL_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const observing = observe();

  return {
    detectedMs: () => detectedMs,
    watchForDown: () => {
      isWatching = true;
    },
    stop: async () => {
      stopping.abort();
      await observing;
    },
  };
}

interface Seen {
  readonly leader: string | null;
  readonly state: string;
  readonly weightPercent: number;
}

function see(status: FederationStatus, zone: string): Seen {
  const cluster = status.zones.find((one) => one.zone === zone)?.cluster;
  return {
    leader: status.leader,
    state: cluster?.state ?? "unseen",
    weightPercent: cluster?.weightPercent ?? 0,
  };
}

function describeChanges(before: Seen | undefined, now: Seen, zone: string): string[] {
  if (before === undefined) return [];
  const changes: string[] = [];
  if (now.leader !== before.leader) changes.push(`the leader is ${now.leader ?? "nobody"}`);
  if (now.state !== before.state) changes.push(`the cluster of ${zone} is ${now.state}`);
  if (now.weightPercent !== before.weightPercent)
    changes.push(`the cluster of ${zone} has ${now.weightPercent} % of its weight`);
  return changes;
}
