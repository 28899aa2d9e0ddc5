import type { ReplicaDigests } from "../../../federator/io/replica/replica-digests.ts";
import type { Host } from "../engine/host.ts";
import type { Network } from "../engine/network.ts";

export interface PeerEnds {
  readonly network: Network;
  readonly host: Host;
  /** Where the caller is. */
  readonly place: string;
  readonly otherZones: readonly string[];
  /** Who answers there now. */
  readonly peerOf: (
    zone: string,
  ) => { readonly host: Host; readonly digests: ReplicaDigests } | undefined;
}

/** The replicas of the other zones, asked over a network that loses calls: whoever asks gives up by its own deadline. */
export function simulatedPeers({ network, host, place, otherZones, peerOf }: PeerEnds) {
  const ask = <A>(
    zone: string,
    signal: AbortSignal,
    serve: (digests: ReplicaDigests) => Promise<A>,
  ): Promise<A> =>
    new Promise((resolve, reject) => {
      const giveUp = (): void => reject(signal.reason as Error);
      signal.addEventListener("abort", giveUp, { once: true });
      const answer = (result: A): void =>
        network.carry(zone, place, () =>
          host.deliver(() => {
            signal.removeEventListener("abort", giveUp);
            resolve(result);
          }),
        );
      network.carry(place, zone, () => {
        const peer = peerOf(zone);
        peer?.host.deliver(() => {
          serve(peer.digests).then(answer, () => undefined);
        });
      });
    });
  const peers = new Map(
    otherZones.map((zone): [string, ReplicaDigests] => [
      zone,
      {
        marks: (signal) => ask(zone, signal, (its) => its.marks(signal)),
        sums: (position, signal) => ask(zone, signal, (its) => its.sums(position, signal)),
        bucket: (bucket, signal) => ask(zone, signal, (its) => its.bucket(bucket, signal)),
      },
    ]),
  );
  return async (): Promise<ReadonlyMap<string, ReplicaDigests>> => peers;
}
