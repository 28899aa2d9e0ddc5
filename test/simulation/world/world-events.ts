import type { Observation } from "#lib/contracts/zone-report.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import type { AppliedRevision, Replica } from "../../../federator/ports.ts";
import type { CatalogTruth, TrueRevision } from "./catalog-truth.ts";

/** What a client that changed something was told; one whose federator died was told nothing. */
export type WriteOutcome =
  | { readonly kind: "acknowledged"; readonly revision: number }
  | { readonly kind: "refused"; readonly code: string }
  | { readonly kind: "ambiguous" };

/** What the checks hear, as it happens. `zone` names where; `host` names one life of one process. */
export type WorldEvent =
  | { readonly kind: "revision"; readonly truth: CatalogTruth; readonly revision: TrueRevision }
  | {
      readonly kind: "replica-opened";
      readonly zone: string;
      readonly replica: Replica;
    }
  | {
      readonly kind: "replica-applied";
      readonly zone: string;
      readonly replica: Replica;
      readonly applied: AppliedRevision;
    }
  | {
      readonly kind: "told";
      readonly zone: string;
      readonly observation: Observation;
    }
  | {
      readonly kind: "table";
      readonly zone: string;
      readonly gatewayHost: string;
      readonly table: RouteTable;
    }
  | {
      readonly kind: "overlay";
      readonly zone: string;
      readonly gatewayHost: string;
      readonly downClusters: readonly string[];
    }
  | { readonly kind: "rights"; readonly zone: string }
  | {
      readonly kind: "write";
      readonly zone: string;
      readonly requestId: string;
      readonly outcome: WriteOutcome;
    }
  | { readonly kind: "fault"; readonly name: string; readonly isOver: boolean };
