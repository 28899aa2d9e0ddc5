import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rename } from "node:fs/promises";
import type { Logger } from "pino";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { FullFrame, PartFrame } from "#lib/contracts/feed.ts";
import { readLines } from "#lib/io/json-lines.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { type RouteTable, type RouteTableState, routeTableState } from "#lib/route-table-state.ts";
import type { TextEntry } from "#lib/table-digest.ts";
import { tableLines } from "#lib/table-frames.ts";

/** The last line of the file: SHA-256, in hex, of all before it. */
const EndLine = Type.Object(
  { kind: Type.Literal("end"), checksum: Type.String() },
  { additionalProperties: false },
);
const tableLine = Compile(Type.Union([PartFrame, FullFrame, EndLine]));

/**
 * The last good table on disk, with the one before it: what a program serves from until its federator answers. It is written as it
 * comes through the feed, with a checksum at the end.
 */
export interface TableFile {
  /** With the newest stored table that is whole in force; with none where there is none. */
  readonly load: () => Promise<RouteTableState>;
  readonly save: (
    table: Pick<RouteTable, "position" | "digest">,
    entries: readonly TextEntry[],
  ) => Promise<void>;
}

export function tableFile(path: string, log: Logger): TableFile {
  const previousPath = `${path}.previous`;
  return {
    load: async () =>
      (await readTable(path, log)) ?? (await readTable(previousPath, log)) ?? routeTableState(),
    save: async ({ position, digest }, entries) => {
      await rename(path, previousPath).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      });
      const { count, line } = tableLines({ kind: "full", nonce: 0, position, digest }, entries);
      await writeAtomically(path, withChecksum(count, line));
    },
  };
}

function* withChecksum(count: number, line: (index: number) => string): Generator<string> {
  const checksum = createHash("sha256");
  for (let index = 0; index < count; index += 1) {
    const text = line(index);
    checksum.update(text);
    yield text;
  }
  yield `${JSON.stringify({ kind: "end", checksum: checksum.digest("hex") })}\n`;
}

/** Undefined, and said in the log, where there is no file or none that is whole. */
async function readTable(path: string, log: Logger): Promise<RouteTableState | undefined> {
  const state = routeTableState();
  try {
    await readInto(state, path);
    return state;
  } catch (error) {
    if (isMissing(error)) log.info({ path }, "there is no route table on disk");
    else log.error({ path, err: error }, "the route table on disk is not whole and is not used");
    return undefined;
  }
}

async function readInto(state: RouteTableState, path: string): Promise<void> {
  const checksum = createHash("sha256");
  for await (const text of readLines(createReadStream(path))) {
    const line: unknown = JSON.parse(text);
    if (!tableLine.Check(line)) throw new Error("it has a line that is none of a table");
    if (line.kind === "end") {
      if (line.checksum !== checksum.digest("hex")) throw new Error("its checksum is not right");
      if (state.table() === undefined) throw new Error("it ends before its table");
      return;
    }
    checksum.update(`${text}\n`);
    const taken = state.take(line, "own-disk");
    if (taken.kind === "refused" || taken.kind === "stale") throw new Error(taken.reason);
  }
  throw new Error("it ends in the middle");
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ENOENT";
