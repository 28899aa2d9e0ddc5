import { type Static, Type } from "typebox";
import { Name } from "./names.ts";

/* Between `up` and the programs it started (Node's IPC channel), and between the CLI and `up` (`DIR/run/up.sock`, HTTP). */
const closed = { additionalProperties: false } as const;

/** A program to `up`: `beat` each 200 ms, `ready` once it serves, `pids` whenever its own children change. */
export const ProgramMessage = Type.Union([
  Type.Object({ kind: Type.Literal("beat") }, closed),
  Type.Object({ kind: Type.Literal("ready") }, closed),
  Type.Object(
    { kind: Type.Literal("pids"), pids: Type.Array(Type.Integer({ minimum: 1 })) },
    closed,
  ),
]);
export type ProgramMessage = Static<typeof ProgramMessage>;

export const ZONE_ACTIONS = ["start", "stop", "kill"] as const;
/** `POST /zones/NAME:start|stop|kill` answers with this once it is done. */
export const ZoneActionResult = Type.Object(
  { zone: Name, state: Type.Union([Type.Literal("running"), Type.Literal("stopped")]) },
  closed,
);
export type ZoneActionResult = Static<typeof ZoneActionResult>;
