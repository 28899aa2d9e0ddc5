import type { Observation } from "#lib/contracts/zone-report.ts";
import type { Links } from "../../../federator/ports.ts";
import type { Host } from "../engine/host.ts";
import type { Network } from "../engine/network.ts";
import type { SimulatedAgent } from "./agent-process.ts";

export interface LinkEnds {
  readonly network: Network;
  readonly host: Host;
  /** Where the caller is. */
  readonly place: string;
  readonly agentOf: (zone: string) => SimulatedAgent | undefined;
  /** The federator of that zone takes it, if there is one. */
  readonly hear: (zone: string, observation: Observation) => Host | undefined;
  readonly onTold: (observation: Observation) => void;
}

/** How one federator reaches agents and other federators: over the network that loses, delays and repeats. */
export function simulatedLinks({ network, host, place, ...ends }: LinkEnds): Links {
  return {
    ping: (zone, signal) =>
      new Promise((resolve) => {
        const silent = (): void => resolve("silent");
        const answer = (outcome: "answered" | "refused"): void =>
          network.send(zone, place, () =>
            host.deliver(() => {
              signal.removeEventListener("abort", silent);
              resolve(outcome);
            }),
          );
        signal.addEventListener("abort", silent, { once: true });
        network.send(place, zone, () => ends.agentOf(zone)?.ping(answer));
      }),
    tell: (zone, observation, signal) =>
      new Promise((resolve, reject) => {
        const giveUp = (): void => reject(signal.reason as Error);
        ends.onTold(observation);
        signal.addEventListener("abort", giveUp, { once: true });
        network.send(place, zone, () => {
          if (ends.hear(zone, observation) === undefined) return;
          network.send(zone, place, () =>
            host.deliver(() => {
              signal.removeEventListener("abort", giveUp);
              resolve();
            }),
          );
        });
      }),
  };
}
