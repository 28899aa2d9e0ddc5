import type { ResourceGroup } from "../core/sandbox/resource-groups.ts";

/*
 * Agent ↔ launcher, one JSON object a line over the launcher's unix socket. One agent at a time: the one that was started last. It is
 * told what the one before it left running. Types alone, so that the launcher starts fast.
 */
export type ToLauncher =
  /** First; anything else before it ends the connection. */
  | {
      readonly kind: "hello";
      readonly token: string;
      /** When the agent's process started, since the machine did; absent: an agent that takes nothing over, so all instances are ended. */
      readonly agentStartedAtMs?: number;
    }
  | {
      readonly kind: "start";
      readonly instance: string;
      readonly command: readonly [string, ...string[]];
      readonly environment: Readonly<Record<string, string>>;
      readonly directory: string;
      /** One line for its standard input, which stays open as long as the launcher lives; absent: it is empty. */
      readonly greeting?: string;
      /** Memory of its own, in bytes, above which it is ended. */
      readonly memoryBytesMax: number;
      /** What it is given on its descriptors from the third on; present: it runs in a sandbox, which stands between it and here. */
      readonly descriptors?: readonly string[];
      /** Made before it starts and removed after it. */
      readonly groups?: readonly ResourceGroup[];
      /** Given back to the next agent, and never written to disk. */
      readonly note?: unknown;
      /** It forks instances, and what it says is for the launcher; its agent hears that it is ready. An agent that comes after it has it end. */
      readonly isZygote?: true;
      /** Forked instead of started; where that does not work, `command` is what it is. */
      readonly fork?: ForkRequest;
    }
  /** A further line for the standard input of one that was started with a greeting. */
  | {
      readonly kind: "greet";
      readonly instance: string;
      readonly greeting: string;
      /** Instead of that of its `start`. */
      readonly note?: unknown;
    }
  | { readonly kind: "kill"; readonly instance: string }
  /** Answered at once, so that a launcher that hangs is noticed. */
  | { readonly kind: "ping" }
  /** Ends all instances and the launcher. */
  | { readonly kind: "shutdown" };

export interface ForkRequest {
  /** The name of its `start`. */
  readonly zygote: string;
  readonly user: number;
  readonly hasOwnNetwork: boolean;
  readonly taskDirectory: string;
  /** Not started at all where it cannot be forked. */
  readonly isRequired?: true;
}

export type FromLauncher =
  /** With all that runs; absent: nothing, of a launcher that ends all instances when an agent comes. */
  | {
      readonly kind: "hello";
      readonly pid: number;
      readonly running?: readonly RunningProcess[];
    }
  /** Last: an agent that was started later has the launcher, and this one has no instances any more. */
  | { readonly kind: "replaced" }
  | { readonly kind: "pong" }
  | ({ readonly kind: "started" } & RunningProcess)
  | { readonly kind: "not-started"; readonly instance: string; readonly reason: string }
  /** What it wrote past its runner: crashes, children. */
  | { readonly kind: "output"; readonly instance: string; readonly text: string }
  | {
      readonly kind: "exited";
      readonly instance: string;
      readonly code: number | null;
      readonly signal: string | null;
      readonly isOutOfMemory: boolean;
    };

export interface RunningProcess {
  readonly instance: string;
  readonly pid: number;
  /** As the system tells it: no later process with that number has the same. */
  readonly startedAt: string;
  /** Of its `start`. */
  readonly note?: unknown;
}

/** `launcher.json` in the agent's folder, mode 0600: how a launcher is set up and found again. */
export interface LauncherSettings {
  readonly socketPath: string;
  readonly token: string;
  /** How long the launcher and its instances outlive a connection to an agent. */
  readonly graceMs: number;
  /** In the environment of each instance and what it starts, so that none of it is overlooked. */
  readonly mark: string;
  /** The launcher's process; 0 until it is known. */
  readonly pid: number;
}
