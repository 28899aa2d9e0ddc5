/*
 * Agent ↔ launcher, one JSON object a line over the launcher's unix socket. One agent at a time: the newest connection counts,
 * and the instances of the agent before it are ended. Types alone, so that the launcher starts fast.
 */
export type ToLauncher =
  /** First; anything else before it ends the connection. */
  | { readonly kind: "hello"; readonly token: string }
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
    }
  | { readonly kind: "kill"; readonly instance: string }
  /** Answered at once, so that a launcher that hangs is noticed. */
  | { readonly kind: "ping" }
  /** Ends all instances and the launcher. */
  | { readonly kind: "shutdown" };

export type FromLauncher =
  | { readonly kind: "hello"; readonly pid: number }
  | { readonly kind: "pong" }
  | { readonly kind: "started"; readonly instance: string; readonly pid: number }
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
