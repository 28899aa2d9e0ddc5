import type { Etcd3 } from "etcd3";
import { type EtcdCallOptions, etcdClient, type EtcdConnection } from "#lib/io/etcd/etcd-client.ts";
import { etcdError, etcdFailure } from "#lib/io/etcd/etcd-failure.ts";
import { incarnationOf, toRevision } from "#lib/io/etcd/etcd-keys.ts";
import { etcdTokens, withMetadata } from "#lib/io/etcd/etcd-token.ts";
import type { Clock } from "#lib/ports/clock.ts";

/** A member rewrites its whole file meanwhile, and answers nothing else: some 10 s a gigabyte. */
const DEFRAGMENT_TIMEOUT_MS = 120_000;
const STATUS_TIMEOUT_MS = 2_000;

/** One member, as it sees itself. */
export type EtcdMemberStatus =
  | {
      readonly kind: "answered";
      readonly endpoint: string;
      readonly memberId: string;
      readonly incarnation: string;
      readonly version: string;
      readonly isLeader: boolean;
      /** A member still catching up, without a vote. */
      readonly isLearner: boolean;
      /** False while it knows of no leader: it can neither write nor read linearizably. */
      readonly hasLeader: boolean;
      readonly revision: number;
      /** The file, which counts against the quota, and how much of it records take; defragmenting frees the rest. */
      readonly databaseBytes: number;
      readonly databaseInUseBytes: number;
    }
  | { readonly kind: "silent"; readonly endpoint: string; readonly detail: string };

/** `no-space` refuses every write until space is freed and an operator disarms it. */
export interface EtcdAlarm {
  readonly memberId: string;
  readonly alarm: "no-space" | "corrupt";
}

/** What keeping an etcd in order needs. Nothing here acts by itself: one caller decides, one member at a time. */
export interface EtcdMaintenance {
  /** Of each endpoint, in their order; never fails. */
  readonly members: () => Promise<readonly EtcdMemberStatus[]>;
  readonly alarms: () => Promise<readonly EtcdAlarm[]>;
  /** Stops that member for the time it takes, so never the leader and never two at once. */
  readonly defragment: (endpoint: string) => Promise<void>;
}

/** Connects for each call and keeps nothing open. With authentication, alarms and defragmenting need the role `root`. */
export function etcdMaintenance(connection: EtcdConnection, clock: Clock): EtcdMaintenance {
  const { endpoints } = connection;

  const ask = async <Answer>(
    endpoint: string,
    timeoutMs: number,
    act: (client: Etcd3, options: EtcdCallOptions) => Promise<Answer>,
  ): Promise<Answer> => {
    const client = etcdClient(connection, endpoint);
    const options = { deadline: clock.wallMs() + timeoutMs };
    try {
      const token = await etcdTokens(connection).current(client, options);
      return await act(client, withMetadata(options, token, false));
    } catch (cause) {
      throw etcdError(etcdFailure(cause), cause);
    } finally {
      client.close();
    }
  };

  return {
    members: () =>
      Promise.all(
        endpoints.map(async (endpoint): Promise<EtcdMemberStatus> => {
          try {
            const found = await ask(endpoint, STATUS_TIMEOUT_MS, (client, options) =>
              client.maintenance.status(options),
            );
            return {
              kind: "answered",
              endpoint,
              memberId: hex(found.header.member_id),
              incarnation: incarnationOf(found.header),
              version: found.version,
              isLeader: found.leader === found.header.member_id,
              isLearner: found.isLearner,
              hasLeader: found.leader !== "0",
              revision: toRevision(found.header.revision),
              databaseBytes: Number(found.dbSize),
              databaseInUseBytes: Number(found.dbSizeInUse),
            };
          } catch (error) {
            const detail = error instanceof Error ? error.message : String(error);
            return { kind: "silent", endpoint, detail };
          }
        }),
      ),
    alarms: async () => {
      const [first, ...others] = endpoints.map((endpoint) => async () => {
        const { alarms } = await ask(endpoint, STATUS_TIMEOUT_MS, (client, options) =>
          client.maintenance.alarm({ action: "Get" }, options),
        );
        return alarms.flatMap(({ memberID, alarm }) =>
          alarm === "None" ? [] : [{ memberId: hex(memberID), alarm: ALARMS[alarm] }],
        );
      });
      if (first === undefined) return [];
      // Any member knows them all.
      return await others.reduce((asking, askNext) => asking.catch(() => askNext()), first());
    },
    defragment: async (endpoint) => {
      await ask(endpoint, DEFRAGMENT_TIMEOUT_MS, (client, options) =>
        client.maintenance.defragment(options),
      );
    },
  };
}

const ALARMS = { Nospace: "no-space", Corrupt: "corrupt" } as const;

const hex = (id: string): string => BigInt(id).toString(16);
