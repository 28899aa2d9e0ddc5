import type { RightsFrame } from "#lib/contracts/feed.ts";
import type { TableFile } from "#lib/io/table-file.ts";
import { type RouteTable, routeTableState } from "#lib/route-table-state.ts";
import type { TextEntry } from "#lib/table-digest.ts";
import type { Host } from "../engine/host.ts";
import type { SeededRandom } from "../engine/seeded-random.ts";

type Floor = Pick<RightsFrame["tenants"][number], "tenant" | "floorMillionths">;

/** What a gateway finds again after a crash: what was written to the end, and nothing of the rest. */
export interface GatewayDisk {
  readonly tableFile: (host: Host) => TableFile;
  readonly floors: () => readonly Floor[];
  readonly saveFloors: (host: Host, floors: readonly Floor[]) => void;
}

const WRITE_MS = { low: 1, high: 10 } as const;

interface StoredTable {
  readonly table: Pick<RouteTable, "position" | "digest">;
  readonly entries: readonly TextEntry[];
}

export function gatewayDisk(random: SeededRandom): GatewayDisk {
  let stored: StoredTable | undefined;
  let floors: readonly Floor[] = [];
  const writeMs = (): number => random.between(WRITE_MS.low, WRITE_MS.high);
  return {
    floors: () => floors,
    saveFloors: (host, next) => {
      host.after(writeMs(), () => {
        floors = next;
      });
    },
    tableFile: (host) => ({
      load: async () => {
        const state = routeTableState();
        if (stored === undefined) return state;
        const { position, digest } = stored.table;
        state.take(
          { kind: "full", nonce: 0, position, digest, entries: [...stored.entries] },
          "own-disk",
        );
        return state;
      },
      save: async ({ position, digest }, entries) => {
        await host.clock.sleep(writeMs());
        stored = { table: { position, digest }, entries };
      },
    }),
  };
}
