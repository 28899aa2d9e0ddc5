import type { CatalogConfig, EtcdCatalogConfig } from "#lib/contracts/catalog-config.ts";

/** One member of an etcd, in the zone that it dies and freezes with. */
export interface CatalogMember {
  readonly zone: string;
  readonly clientPort: number;
  readonly peerPort: number;
}

/** Where the catalog of this federation is, and what `up` runs of it. */
export type CatalogPlan =
  /** One process outside every zone, over SQLite. */
  | { readonly kind: "embedded" }
  /** An etcd of this federation's own, spread over its zones. */
  | {
      readonly kind: "members";
      /** The etcd program. */
      readonly etcd: string;
      readonly clusterToken: string;
      readonly passwordFile: string;
      readonly members: readonly CatalogMember[];
    }
  /** Somebody else's etcd. */
  | { readonly kind: "endpoints"; readonly config: EtcdCatalogConfig };

/** An etcd beyond this many members grows slower and not safer. */
const MEMBERS_MAX = 5;

/**
 * The zones that hold a member: an odd number of them, since an even one survives no more losses than the odd one below it. The
 * rest follows from afar.
 */
export function memberZones(zones: readonly string[]): readonly string[] {
  const most = Math.min(zones.length, MEMBERS_MAX);
  return zones.slice(0, most % 2 === 0 ? most - 1 : most);
}

/** How a zone's programs reach the catalog: the member of their own zone first, where there is one. */
export function catalogConfigOf(catalog: CatalogPlan, zone: string | null): CatalogConfig {
  switch (catalog.kind) {
    case "embedded":
      return { kind: "embedded" };
    case "endpoints":
      return catalog.config;
    case "members": {
      const ownFirst = catalog.members.toSorted(
        (one, other) => Number(other.zone === zone) - Number(one.zone === zone),
      );
      return {
        kind: "etcd",
        endpoints: ownFirst.map(({ clientPort }) => `http://127.0.0.1:${clientPort}`),
        username: "root",
        passwordFile: catalog.passwordFile,
      };
    }
  }
}
