import type { CatalogConfig } from "#lib/contracts/catalog-config.ts";
import { readEtcdConnection } from "#lib/io/open-catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { CatalogMembers } from "../../ports.ts";

/** The members of the configured etcd; undefined where the catalog is embedded. */
export async function etcdMembers(
  config: CatalogConfig,
  clock: Clock,
): Promise<CatalogMembers | undefined> {
  if (config.kind === "embedded") return undefined;

  const { etcdMaintenance } = await import("#lib/io/etcd/etcd-maintenance.ts");
  const { members, defragment } = etcdMaintenance(await readEtcdConnection(config), clock);
  return {
    quotaBytes: config.quotaBytes ?? QUOTA_BYTES,
    defragment,
    statuses: async () =>
      (await members()).map((member) =>
        member.kind === "silent"
          ? undefined
          : {
              endpoint: member.endpoint,
              isLeader: member.isLeader,
              databaseBytes: member.databaseBytes,
              databaseBytesInUse: member.databaseInUseBytes,
            },
      ),
  };
}

/** What etcd is advised to be run with at most, and what `meridian up` gives its members. */
const QUOTA_BYTES = 8 * 1024 ** 3;
