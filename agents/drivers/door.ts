import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import type { InstanceEnd } from "../core/function-error.ts";
import type { Cell } from "./sandbox/open-sandbox.ts";
import type { Instance, InstanceLog, InstanceSpec, LeftCall } from "./driver.ts";

/**
 * How calls reach the code of an instance, and answers come out. `process-instance.ts` knows the process, its start, end and output, and
 * a door knows nothing of those: so a further way in is one more file with a `Doorway`, an entry in `process.ts` that says which versions
 * take it, and in `instance-command.ts` the program that is run.
 */
export interface Doorway {
  /** One door for one instance, before there is a process. Must not throw: what goes wrong makes `settings` reject. */
  readonly open: (room: Room) => Door;
  /** Once all instances are gone. */
  readonly close: () => Promise<void>;
}

/** What a door is told of its instance, and whom it tells. */
export interface Room {
  readonly id: string;
  /** With paths as the instance sees them. */
  readonly spec: InstanceSpec;
  /** Its sandbox; absent: none, or one of an agent before this one. */
  readonly cell?: Pick<Cell, "loopbackAddress"> | undefined;
  /** The code takes calls, beside those that an agent before this one gave it. */
  readonly onReady: (leftCalls?: readonly LeftCall[]) => void;
  /** The code says that it cannot; the process is ended. */
  readonly onInitError: (error: ErrorPayload) => void;
  /** This machine is to blame, and another start may succeed; the process is ended. */
  readonly onRefused: (reason: string) => void;
  readonly onLog: (line: InstanceLog) => void;
  /** The code will take no more calls, whatever its process still does: the process is ended. */
  readonly onHungUp: () => void;
}

export interface Door {
  /** What the process has to be told; it is started when this is known, and not if it rejects. */
  readonly settings: Promise<DoorSettings>;
  /** There is a process now; some doors let in only what it and its children open. */
  readonly onProcess: (pid: number) => void;
  /** Whose output comes now, where the door can tell what the process itself does not say; absent: nobody's. */
  readonly requestIdOfOutput?: () => string | undefined;
  /** Runs a call; `not-begun` where the door was not ready or is closed. */
  readonly invoke: Instance["invoke"];
  /** The process is over: resolves when what it said last has come through, soon in any case. */
  readonly drained: () => Promise<void>;
  /** The instance is gone: ends its calls by that, and whatever the door holds. */
  readonly close: (end: InstanceEnd) => void;
  /** The sentence that tells its owner what did not come in the time for the start. */
  readonly awaited: string;
}

export interface DoorSettings {
  /** Whatever the function's own variables say of these names. */
  readonly environment: Readonly<Record<string, string>>;
  /** JSON for its standard input, one line, which then stays open; absent: its standard input is empty. */
  readonly greeting?: Readonly<Record<string, unknown>>;
  /** What opens a door to the same process again, for an agent after this one; absent: nothing does. */
  readonly reopensBy?: string;
}
