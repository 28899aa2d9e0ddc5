import { readFile } from "node:fs/promises";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { RightsFrame } from "#lib/contracts/feed.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";

const Floors = Type.Object(
  {
    tenants: Type.Array(
      Type.Pick(RightsFrame.properties.tenants.items, ["tenant", "floorMillionths"]),
    ),
  },
  { additionalProperties: false },
);
export type Floors = Static<typeof Floors>["tenants"];

/** This gateway's floors on disk. They never expire, so a restart without any federator may go on spending them. */
export interface FloorsFile {
  readonly load: () => Promise<Floors>;
  readonly save: (floors: Floors) => Promise<void>;
}

export function floorsFile(path: string): FloorsFile {
  let saved = "";
  return {
    load: async () => {
      try {
        const stored: unknown = JSON.parse(await readFile(path, "utf8"));
        return Value.Check(Floors, stored) ? stored.tenants : [];
      } catch {
        return [];
      }
    },
    save: async (tenants) => {
      const text = `${JSON.stringify({ tenants })}\n`;
      if (text === saved) return;
      await writeAtomically(path, text);
      saved = text;
    },
  };
}
