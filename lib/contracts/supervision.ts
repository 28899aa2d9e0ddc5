import { type Static, Type } from "typebox";
import { Name } from "./names.ts";

/* Between `up` and the programs it started (Node's IPC channel), and between the CLI and `up` (`DIR/run/up.sock`, HTTP). */
const closed = { additionalProperties: false } as const;

/** A program to `up`: `beat` each 200 ms, `ready` once it serves, `draining` once it takes no more, `pids` whenever its own children change. */
export const ProgramMessage = Type.Union([
  Type.Object({ kind: Type.Literal("beat") }, closed),
  Type.Object({ kind: Type.Literal("ready") }, closed),
  Type.Object({ kind: Type.Literal("draining") }, closed),
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

/** `POST /gateways/ZONE:restart` answers with this: which process took the place of which; null: of none. */
export const GatewayRestart = Type.Object(
  {
    zone: Name,
    restarted: Type.Array(
      Type.Object(
        { pid: Type.Union([Type.Integer(), Type.Null()]), by: Type.Integer({ minimum: 1 }) },
        closed,
      ),
    ),
  },
  closed,
);
export type GatewayRestart = Static<typeof GatewayRestart>;

/** `DIR/run/up.json`: who runs this state folder, and the socket it is asked on. */
export const UpRecord = Type.Object(
  { pid: Type.Integer(), endpoint: Type.String(), socketPath: Type.String() },
  closed,
);
export type UpRecord = Static<typeof UpRecord>;

/** `GET /status` on that socket. */
export const UpStatus = Type.Object(
  {
    pid: Type.Integer(),
    endpoint: Type.String(),
    groups: Type.Array(
      Type.Object(
        {
          /** The zone; null for the catalog process. */
          zone: Type.Union([Name, Type.Null()]),
          programs: Type.Array(
            Type.Object(
              {
                program: Type.String(),
                /** The program's, with a number where the zone has several; absent: the program's. */
                name: Type.Optional(Type.String()),
                pid: Type.Union([Type.Integer(), Type.Null()]),
                state: Type.Union([
                  Type.Literal("starting"),
                  Type.Literal("ready"),
                  Type.Literal("draining"),
                  Type.Literal("waiting"),
                  Type.Literal("stopped"),
                ]),
              },
              closed,
            ),
          ),
          /** Every living process, launcher and instances included. */
          pids: Type.Array(Type.Integer()),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type UpStatus = Static<typeof UpStatus>;

/** `DIR/run/processes.json`: every living process of the federation, each with when it started, as the system tells it. */
export const ProcessRegister = Type.Array(
  Type.Object({ pid: Type.Integer({ minimum: 1 }), startedAt: Type.String() }, closed),
);
export type ProcessRegister = Static<typeof ProcessRegister>;
