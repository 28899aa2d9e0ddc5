import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";

/*
 * Agent ↔ the launcher inside a pod, over TLS connections that the pod opens: the frames of `lib/frames.ts`. The first frame of each
 * is `hello`. A connection for `control` goes on with the others; one for `calls` goes on with the frames of `instance-frames.ts`, which
 * the launcher only passes on. Whatever a pod says is checked: it runs other people's code.
 */
export const POD_FRAME_KIND = {
  /** Pod → agent: JSON PodHello. */
  hello: 32,
  /** Pod → agent: JSON PodReport. */
  report: 33,
  /** Pod → agent, the answer to `ping`. */
  pong: 34,
  /** Agent → pod: JSON `{pass}`, which opens its later connections. */
  welcome: 48,
  /** Agent → pod: JSON `{digest, files: [{path, mode, bytes}]}`; the contents follow in `part` frames, one after another. */
  code: 49,
  part: 50,
  /** Agent → pod, after the code: JSON `{command, environment, directory, greeting, heldNote}`; starts the process. */
  start: 51,
  /** Agent → pod: JSON `{greeting, heldNote}`; a further line for the process, which makes a runner an instance. */
  greet: 52,
  ping: 53,
  /** Agent → pod: ends everything in it. */
  end: 54,
} as const;

/** A note that the agent gave, back from the pod; `seal` shows that nobody changed it. */
const HeldNote = Type.Object(
  { note: Type.Unknown(), seal: Type.String({ maxLength: 128 }) },
  extensible,
);
export type HeldNote = Static<typeof HeldNote>;

export const PodHello = Type.Object(
  {
    pod: Type.String({ minLength: 1, maxLength: 253 }),
    /** The token of its manifest, good once, or the `pass` it was given for that. */
    word: Type.String({ minLength: 1, maxLength: 128 }),
    link: Type.Union([Type.Literal("control"), Type.Literal("calls")]),
    /** What the image has, of a connection for `control`. */
    host: Type.Optional(
      Type.Object(
        {
          node: Type.String({ maxLength: 512 }),
          /** The folder of our runners. */
          runtimes: Type.String({ maxLength: 512 }),
          python: Type.Optional(
            Type.Object(
              {
                path: Type.String({ maxLength: 512 }),
                packageDirectories: Type.Array(Type.String({ maxLength: 512 }), { maxItems: 16 }),
              },
              extensible,
            ),
          ),
        },
        extensible,
      ),
    ),
    /** What it runs, for an agent that did not start it. */
    running: Type.Optional(
      Type.Object({ pid: Type.Integer({ minimum: 1 }), held: Type.Optional(HeldNote) }, extensible),
    ),
  },
  extensible,
);
export type PodHello = Static<typeof PodHello>;

/** What became of the pod's one process. */
export const PodReport = Type.Union([
  Type.Object({ kind: Type.Literal("started"), pid: Type.Integer({ minimum: 1 }) }, extensible),
  Type.Object(
    { kind: Type.Literal("not-started"), reason: Type.String({ maxLength: 4_096 }) },
    extensible,
  ),
  Type.Object(
    { kind: Type.Literal("output"), text: Type.String({ maxLength: 65_536 }) },
    extensible,
  ),
  Type.Object(
    {
      kind: Type.Literal("exited"),
      code: Type.Union([Type.Integer(), Type.Null()]),
      signal: Type.Union([Type.String({ maxLength: 32 }), Type.Null()]),
      isOutOfMemory: Type.Boolean(),
    },
    extensible,
  ),
]);
export type PodReport = Static<typeof PodReport>;
