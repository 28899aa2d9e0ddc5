import type { IResponseHeader } from "etcd3";
import { type EtcdConnection, etcdClient } from "#lib/io/etcd/etcd-client.ts";
import { etcdUnavailable } from "#lib/io/etcd/etcd-failure.ts";
import { etcdTokens, withMetadata } from "#lib/io/etcd/etcd-token.ts";
import type { Clock } from "#lib/ports/clock.ts";

/** Which cluster this is, by etcd's own id of it, so that contents of several are never mixed call by call. */
export interface ClusterIdentity {
  /** Asks all endpoints. Fails where they are proven to be of different clusters. */
  readonly look: () => Promise<void>;
  /** The first one to be heard of is the one. */
  readonly isKnown: (header: IResponseHeader) => boolean;
  /**
   * For an answer of an unknown cluster. Returns where most endpoints are of that one now, as after a restore, and nobody is of the
   * old one; else fails with MERIDIAN_CATALOG_UNAVAILABLE, and nothing may be made of the answer.
   */
  readonly judge: (header: IResponseHeader, timeoutMs: number) => Promise<void>;
}

/** A member that has not answered in `lookTimeoutMs` has no say: nothing waits for one that is down. */
export function clusterIdentity(
  connection: EtcdConnection,
  clock: Clock,
  lookTimeoutMs: number,
): ClusterIdentity {
  const { endpoints } = connection;
  let known: string | undefined;

  /** By endpoint, of those that answer. */
  const seen = async (
    timeoutMs: number,
  ): Promise<readonly (readonly [endpoint: string, id: string])[]> => {
    const found = await Promise.all(
      endpoints.map(async (endpoint) => {
        const client = etcdClient(connection, endpoint);
        const options = { deadline: clock.wallMs() + Math.max(1, timeoutMs) };
        try {
          const token = await etcdTokens(connection).current(client, options);
          const { header } = await client.maintenance.status(withMetadata(options, token, false));
          return [endpoint, header.cluster_id] as const;
        } catch {
          return undefined;
        } finally {
          client.close();
        }
      }),
    );
    return found.filter((one) => one !== undefined);
  };
  const look = async (timeoutMs: number): Promise<void> => {
    const clusters = await seen(timeoutMs);
    const [first] = clusters;
    if (first === undefined) return;
    const other = clusters.find(([, id]) => id !== first[1]);
    if (other !== undefined)
      throw etcdUnavailable(
        `${first[0]} and ${other[0]} are members of different etcd clusters (${hex(first[1])} and ${hex(other[1])}); give the endpoints of one.`,
      );
    if (known === undefined || clusters.length > endpoints.length / 2) [, known] = first;
  };

  return {
    look: async () => {
      // With one endpoint the first answer says as much.
      if (endpoints.length > 1) await look(lookTimeoutMs);
    },
    isKnown: ({ cluster_id: id }) => {
      known ??= id;
      return known === id;
    },
    judge: async ({ cluster_id: id }, timeoutMs) => {
      const before = known ?? id;
      await look(Math.min(timeoutMs, lookTimeoutMs));
      if (known === id) return;
      throw etcdUnavailable(
        `A member of another etcd cluster (${hex(id)}) answered in place of one of ${hex(before)}; give the endpoints of one.`,
      );
    },
  };
}

/** As etcd's own tools print it. */
const hex = (id: string): string => BigInt(id).toString(16);
