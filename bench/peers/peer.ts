/** Another proxy in front of the same agent, for comparison. */
export interface RunningPeer {
  readonly url: string;
  readonly pids: readonly number[];
  readonly stop: () => Promise<void>;
}

/** A peer that is not on this machine is said, with the reason, and left out. */
export type StartedPeer =
  | { readonly kind: "running"; readonly peer: RunningPeer }
  | { readonly kind: "missing"; readonly reason: string };

export interface PeerOptions {
  readonly upstreamUrl: string;
  /** What the gateway would tell the agent of the call, and the peer adds instead. */
  readonly headers: Readonly<Record<string, string>>;
  /** For its files; the caller removes it. */
  readonly folder: string;
  /** The one core that it may use; absent: all. */
  readonly core?: number | undefined;
}
