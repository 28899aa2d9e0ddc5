import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { Type } from "typebox";
import { Value } from "typebox/value";
import type { JournalLine, Undo, UndoneBy } from "../core/open-intents.ts";

const closed = { additionalProperties: false } as const;
const Identity = Type.Object(
  { pid: Type.Integer({ minimum: 1 }), startedAt: Type.String() },
  closed,
);
const UndoSchema = Type.Union([
  Type.Object(
    { kind: Type.Literal("start-zone"), stateDirectory: Type.String(), zone: Type.String() },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal("delete-functions"),
      stateDirectory: Type.String(),
      tenant: Type.String(),
      functions: Type.Array(Type.String()),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal("stop-federation"),
      stateDirectory: Type.String(),
      up: Type.Union([Identity, Type.Null()]),
    },
    closed,
  ),
]);
const JournalLineSchema = Type.Union([
  Type.Object({ kind: Type.Literal("run"), runId: Type.String(), runner: Identity }, closed),
  Type.Object(
    {
      kind: Type.Literal("intent"),
      id: Type.String(),
      undo: UndoSchema,
      deadManMs: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal("undone"),
      id: Type.String(),
      by: Type.Enum(["runner", "watchdog", "scan"]),
    },
    closed,
  ),
]);

/** Written ahead: each line is on disk before this returns, and only then is done what it tells of. */
export function appendToJournal(file: string, line: JournalLine): void {
  const handle = openSync(file, "a", 0o600);
  try {
    writeSync(handle, `${JSON.stringify(line)}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Throws when a line in the middle is none of ours. A torn last line was never acted upon, so it is left out. */
export function readJournal(file: string): JournalLine[] {
  const texts = readFileSync(file, "utf8").split("\n");
  texts.pop();
  return texts.map((text, index) => {
    const line: unknown = JSON.parse(text);
    if (!Value.Check(JournalLineSchema, line))
      throw new Error(`line ${index + 1} of ${file} is not one of a drill's journal`);
    return line;
  });
}

/** Tells that something was undone, by whom. */
export const markUndone = (file: string, id: string, by: UndoneBy): void =>
  appendToJournal(file, { kind: "undone", id, by });

/** Tells what will have to be undone, before it is done. */
export function intend(file: string, id: string, undo: Undo, deadManMs: number | null): void {
  appendToJournal(file, { kind: "intent", id, undo, deadManMs });
}
