import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { extensible } from "#lib/contracts/extensible.ts";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { RunningProcess } from "../launcher/messages.ts";
import type { InstanceLog, InstanceSpec, LeftInstance } from "./driver.ts";
import type { NativeDoorway } from "./native-door.ts";
import { type ProcessInstance, processInstance } from "./process-instance.ts";

/** What a launcher keeps of an instance for the next agent: how it is called, and what it runs. No variable of its environment. */
const InstanceNote = Type.Object(
  {
    reopensBy: Type.String({ minLength: 1 }),
    spec: Type.Object(
      {
        tenant: Type.String(),
        functionName: Type.String(),
        version: Type.Integer(),
        runtime: FunctionManifest.properties.runtime,
        handler: Type.String(),
        codeDirectory: Type.String(),
        memoryMegabytes: Type.Number(),
        concurrency: Type.Integer({ minimum: 1 }),
        initTimeoutMs: Type.Number({ minimum: 0 }),
        identity: Type.String(),
      },
      extensible,
    ),
  },
  extensible,
);
type InstanceNote = Static<typeof InstanceNote>;

/** Undefined where no agent can adopt it: a door that cannot be opened again, or a spec that nothing can be compared with. */
export function noteOf(
  { environment: _secret, ...spec }: InstanceSpec,
  reopensBy: string | undefined,
): InstanceNote | undefined {
  const { identity } = spec;
  if (!reopensBy || identity === undefined) return undefined;
  return { reopensBy, spec: { ...spec, identity } };
}

export interface LeftInstanceOptions {
  readonly native: NativeDoorway;
  readonly kill: (id: string) => void;
  readonly onGone: (id: string) => void;
}

/** An instance of an agent before this one, found with the launcher; undefined: it cannot be adopted. */
export function leftInstance(
  process: RunningProcess,
  { native, kill, onGone }: LeftInstanceOptions,
): (LeftInstance & { readonly instance: ProcessInstance }) | undefined {
  const { instance: id, note } = process;
  if (!Value.Check(InstanceNote, note)) return undefined;
  const spec: InstanceSpec = { ...note.spec, environment: {} };
  let listener: ((line: InstanceLog) => void) | undefined;
  const instance = processInstance({
    id,
    spec,
    openDoor: (room) => native.reopen(room, note.reopensBy),
    onLog: (line) => listener?.(line),
    kill: () => kill(id),
    onGone: () => onGone(id),
  });
  instance.onReport({ kind: "started", ...process });
  return {
    instance,
    spec,
    adopt: (onLog) => {
      listener = onLog;
      return instance;
    },
  };
}
