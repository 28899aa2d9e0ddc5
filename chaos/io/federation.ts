import { setTimeout as delay } from "node:timers/promises";
import type { Credentials } from "#lib/contracts/run-endpoint.ts";
import type { FederationDoors } from "../core/plan-series.ts";
import { exchange } from "./http-exchange.ts";
import { readCredentials } from "./state-files.ts";

/** What the drill is run on: its own, or one that runs already. */
export interface Federation {
  readonly stateDirectory: string;
  readonly credentials: Credentials;
  readonly doors: FederationDoors;
  readonly isOwn: boolean;
}

const READY_POLL_MS = 100;
const READY_PROBE_LIMIT_MS = 1_000;

/** The federation on that state folder once each of its gateways and the shared address are ready. */
export async function awaitFederation(
  stateDirectory: string,
  isOwn: boolean,
  signal: AbortSignal,
): Promise<Federation> {
  for (;;) {
    const credentials = await readCredentials(stateDirectory);
    if (credentials !== undefined) {
      const doors = doorsOf(credentials);
      const addresses = [doors.endpoint, ...doors.gateways.map(({ url }) => url)];
      const ready = await Promise.all(addresses.map((address) => isReady(address)));
      if (ready.every(Boolean)) return { stateDirectory, credentials, doors, isOwn };
    }
    await delay(READY_POLL_MS, undefined, { signal });
  }
}

const doorsOf = ({ endpoint, zones }: Credentials): FederationDoors => ({
  endpoint,
  gateways: Object.entries(zones).map(([zone, { gateway }]) => ({ zone, url: gateway })),
});

async function isReady(address: string): Promise<boolean> {
  try {
    const { status } = await exchange({
      url: `${address}/readyz`,
      timeoutMs: READY_PROBE_LIMIT_MS,
    });
    return status === 200;
  } catch {
    return false;
  }
}
