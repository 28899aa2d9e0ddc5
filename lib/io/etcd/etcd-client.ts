import type { CallOptions } from "@grpc/grpc-js";
import { noop } from "cockatiel";
import { Etcd3 } from "etcd3";

/** How an etcd cluster is reached, and as whom. */
export interface EtcdConnection {
  /** `http://host:port` each; the first is asked first. */
  readonly endpoints: readonly string[];
  readonly credentials?: { readonly username: string; readonly password: string };
  readonly tls?: {
    readonly certificateAuthority: Buffer;
    /** This program's own, where etcd asks for one. */
    readonly certificate?: Buffer;
    readonly key?: Buffer;
  };
}

const DEFAULT_PORT = "2379";
/** Of one answer; a page is asked for in portions far below it. */
const RECEIVE_BYTES_MAX = 64 * 1024 * 1024;

const GRPC_OPTIONS = {
  // etcd counts pings less than 5 s apart as an attack (--grpc-keepalive-min-time): 3 s was cut off, 6 s never.
  "grpc.keepalive_time_ms": 6_000,
  "grpc.keepalive_timeout_ms": 2_000,
  "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // A client made anew must not be given the dead connection of the one before.
  "grpc.use_local_subchannel_pool": 1,
};

/**
 * etcd3 for one member, without its retries and circuit breakers: it repeats writes, and one failed call closes all others.
 * One client knows one member, so that which of them is asked next is decided here and not by a shuffle.
 */
export function etcdClient({ tls }: EtcdConnection, endpoint: string): Etcd3 {
  return new Etcd3({
    hosts: [memberAddress(endpoint)],
    grpcOptions: GRPC_OPTIONS,
    faultHandling: { global: noop, host: () => noop },
    ...(tls && {
      credentials: {
        rootCertificate: tls.certificateAuthority,
        ...(tls.certificate && { certChain: tls.certificate }),
        ...(tls.key && { privateKey: tls.key }),
      },
    }),
  });
}

/** etcd3 takes what follows the scheme as gRPC's target, where a missing port would be 443. */
function memberAddress(endpoint: string): string {
  const { protocol, hostname, port } = new URL(endpoint);
  return `${protocol}//${hostname}:${port === "" ? DEFAULT_PORT : port}`;
}

/** What goes with one call or stream. */
export type EtcdCallOptions = CallOptions;
