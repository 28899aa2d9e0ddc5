import type { ErrorPayload, InvokeHeader } from "#lib/contracts/instance-frames.ts";
import type { InstanceEnd } from "../core/function-error.ts";

/**
 * Where instances live: starts them, hands them calls, ends them. Contract: `test/contract/driver.contract.ts`, run on every
 * driver. No promise of it rejects: what goes wrong is in the value.
 */
export interface InstanceDriver {
  /** Begins to start one; what it says outside of `Instance` goes to `onLog`. */
  readonly start: (spec: InstanceSpec, onLog: (line: InstanceLog) => void) => Instance;
  /** Instances that are not gone. */
  readonly list: () => readonly Instance[];
  /** Ends every instance and whatever the driver itself runs. */
  readonly close: () => Promise<void>;
}

/** All that an instance needs to run one version. */
export interface InstanceSpec {
  readonly tenant: string;
  readonly functionName: string;
  readonly version: number;
  readonly runtime: "node" | "python";
  /** `file.export`, below `codeDirectory`. */
  readonly handler: string;
  readonly codeDirectory: string;
  readonly memoryMegabytes: number;
  readonly concurrency: number;
  readonly environment: Readonly<Record<string, string>>;
  /** From the start to `ready`. */
  readonly initTimeoutMs: number;
}

export interface Instance {
  readonly id: string;
  readonly started: Promise<InstanceStart>;
  /** Resolves once it is gone, its children included. */
  readonly ended: Promise<InstanceEnd>;
  /** Runs one call; only on an instance that is ready, and at most `concurrency` at the same time. */
  readonly invoke: (header: InvokeHeader, event: Buffer) => InstanceCall;
  /** Ends it at once, whatever it does. */
  readonly kill: () => void;
}

export interface InstanceCall {
  readonly outcome: Promise<CallEnd>;
  /** Tells the handler that nobody waits any more; it may go on. */
  readonly cancel: () => void;
}

export type InstanceStart =
  /** Milliseconds until there was a process, and from then until the handler was loaded. */
  | { readonly kind: "ready"; readonly sandboxMs: number; readonly initMs: number }
  /** The function's own doing. */
  | { readonly kind: "init-failed"; readonly error: ErrorPayload }
  /** The platform's doing: nothing of the function ran. */
  | { readonly kind: "not-started"; readonly reason: string };

export type CallEnd =
  /** What the handler returned, as JSON text; empty when it returned nothing. */
  | { readonly kind: "result"; readonly json: Buffer }
  | { readonly kind: "error"; readonly error: ErrorPayload }
  /** The instance ended under it. */
  | { readonly kind: "ended"; readonly end: InstanceEnd }
  /** The instance was gone before the call could reach it. */
  | { readonly kind: "not-begun" };

export interface InstanceLog {
  /** Undefined outside of calls. */
  readonly requestId: string | undefined;
  readonly text: string;
}
