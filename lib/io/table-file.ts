import { readFile, rename } from "node:fs/promises";
import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import { Position, RouteEntry } from "#lib/contracts/route-table.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { applyFrame, type RouteTable } from "#lib/route-table-state.ts";

const StoredTable = Type.Object(
  { position: Position, digest: Type.String(), entries: Type.Array(RouteEntry) },
  { additionalProperties: false },
);
const storedTable = Compile(StoredTable);

/** The last good table on disk, with the one before it: what a program serves from until its federator answers. */
export interface TableFile {
  /** The newest stored table that is whole; undefined where there is none. */
  readonly load: () => Promise<RouteTable | undefined>;
  readonly save: (table: RouteTable) => Promise<void>;
}

export function tableFile(path: string): TableFile {
  const previousPath = `${path}.previous`;
  return {
    load: async () => (await readTable(path)) ?? (await readTable(previousPath)),
    save: async (table) => {
      const stored: Static<typeof StoredTable> = {
        position: table.position,
        digest: table.digest,
        entries: [...table.entries.values()],
      };
      await rename(path, previousPath).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      });
      await writeAtomically(path, `${JSON.stringify(stored)}\n`);
    },
  };
}

async function readTable(path: string): Promise<RouteTable | undefined> {
  let stored: unknown;
  try {
    stored = JSON.parse(await readFile(path, "utf8"));
  } catch {
    return undefined;
  }
  if (!storedTable.Check(stored)) return undefined;
  const applied = applyFrame(undefined, { kind: "full", nonce: 0, ...stored });
  return applied.kind === "applied" ? applied.table : undefined;
}
