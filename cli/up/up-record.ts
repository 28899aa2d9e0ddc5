import { type Static, Type } from "typebox";
import { Name } from "#lib/contracts/names.ts";

const closed = { additionalProperties: false } as const;

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
                pid: Type.Union([Type.Integer(), Type.Null()]),
                state: Type.Union([
                  Type.Literal("starting"),
                  Type.Literal("ready"),
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
