import type { Readable } from "node:stream";
import type { Runtime } from "#lib/contracts/function-manifest.ts";
import type { ErrorPayload, InvokeHeader } from "#lib/contracts/instance-frames.ts";
import type { IsolationLevel, IsolationReport, NetworkAccess } from "#lib/contracts/isolation.ts";
import type { LatestValue } from "#lib/latest-value.ts";
import type { InstanceEnd } from "../core/function-error.ts";
import type { SaidHead } from "../core/read-answer.ts";

/**
 * Where instances live: starts them, hands them calls, ends them. Contract: `test/contract/driver.contract.ts`, run on every
 * driver. No promise of it rejects: what goes wrong is in the value.
 */
export interface InstanceDriver {
  /** Begins to start one; what it says outside of `Instance` goes to `onLog`. */
  readonly start: (spec: InstanceSpec, onLog: (line: InstanceLog) => void) => Instance;
  /**
   * What an agent before this one left running, asked once, at the start: who asks adopts each or ends it. Absent: this driver leaves
   * nothing.
   */
  readonly leftBehind?: () => Promise<readonly LeftInstance[]>;
  /** Instances that are not gone. */
  readonly list: () => readonly Instance[];
  /** What the instances it starts now were proved to be kept from; undefined until that was tried. */
  readonly isolation: LatestValue<IsolationReport | undefined>;
  /** Ends every instance and whatever the driver itself runs. */
  readonly close: () => Promise<void>;
}

/** An instance that may still have to find its way here: `started` says whether it did, and which calls it still runs. */
export interface LeftInstance {
  /** What it was started with, but for its environment. */
  readonly spec: InstanceSpec;
  /** What it logs goes there from now on. */
  readonly adopt: (onLog: (line: InstanceLog) => void) => Instance;
}

/** A call whose answer nobody waits for any more. */
export interface LeftCall {
  readonly requestId: string;
  /** By the instance's own account, which is not trusted beyond the function's time limit. */
  readonly leftMs: number;
  readonly call: InstanceCall;
}

/** All that an instance needs to run one version. */
export interface InstanceSpec {
  readonly tenant: string;
  readonly functionName: string;
  readonly version: number;
  readonly runtime: Runtime;
  /** How calls reach the code, see `door.ts`; absent: `handler`. */
  readonly interface?: "handler" | "http";
  /** `file.export`, below `codeDirectory`; of a server the file that is run. */
  readonly handler: string;
  readonly codeDirectory: string;
  readonly memoryMegabytes: number;
  readonly concurrency: number;
  readonly environment: Readonly<Record<string, string>>;
  /** The agent starts it only where this is proved; absent: `L0`. */
  readonly minIsolation?: IsolationLevel | undefined;
  /** Absent: `outbound`. */
  readonly network?: NetworkAccess | undefined;
  /** From the start to `ready`. */
  readonly initTimeoutMs: number;
  /** Equal for equal code and configuration alone, secrets included: what may be adopted as the same. Absent: nothing may. */
  readonly identity?: string;
}

export interface Instance {
  readonly id: string;
  readonly started: Promise<InstanceStart>;
  /** Resolves once it is gone, its children included. */
  readonly ended: Promise<InstanceEnd>;
  /** Runs one call; only on an instance that is ready, and at most `concurrency` at the same time. */
  readonly invoke: (header: InvokeHeader, input: CallInput) => InstanceCall;
  /** Ends it at once, whatever it does. */
  readonly kill: () => void;
}

export type CallInput =
  /** For a handler: its event as JSON text. */
  | { readonly kind: "event"; readonly json: Buffer }
  /** For a server. */
  | { readonly kind: "request"; readonly request: InstanceRequest };

export interface InstanceRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Lower case; none that belong to one connection. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer | RequestStream;
  /** The protocol to change to; the body then is what the caller says after the `101`. */
  readonly upgrade?: string | undefined;
}

export interface RequestStream {
  /** Not asked for its first byte before the call has started. */
  readonly stream: Readable;
  /** Complete once the stream has ended. */
  readonly trailers: () => Readonly<Record<string, string>>;
}

export interface InstanceCall {
  readonly outcome: Promise<CallEnd>;
  /** Tells the code that nobody waits any more; a handler may go on. */
  readonly cancel: () => void;
  /** Its time is up, whatever it does: breaks off what is left of it. Whether the instance is fit for other calls. */
  readonly abandon: () => boolean;
}

export type InstanceStart =
  /** Milliseconds until there was a process, and from then until the handler was loaded. */
  | {
      readonly kind: "ready";
      readonly sandboxMs: number;
      readonly initMs: number;
      /** Its process was there before, waiting for any function. */
      readonly isPooled?: boolean;
      /** Of an instance that was left behind. */
      readonly leftCalls?: readonly LeftCall[];
    }
  /** The function's own doing. */
  | { readonly kind: "init-failed"; readonly error: ErrorPayload }
  /** The platform's doing: nothing of the function ran. */
  | { readonly kind: "not-started"; readonly reason: string };

/** How a call ended, or that its answer has begun. */
export type CallEnd =
  /** What the handler returned, as JSON text; empty when it returned nothing. */
  | { readonly kind: "result"; readonly json: Buffer }
  /** What a server said, where it is short. */
  | { readonly kind: "answer"; readonly head: SaidHead; readonly body: Buffer }
  /** A server's longer answer, or that of a handler that streams. */
  | { readonly kind: "stream"; readonly answer: StreamingAnswer }
  | BreakOff
  /** Its caller left before the answer began, and it was broken off. */
  | { readonly kind: "left" }
  /** The instance was gone before the call could reach it. */
  | { readonly kind: "not-begun" };

export type BreakOff =
  | { readonly kind: "error"; readonly error: ErrorPayload }
  /** The instance ended under it. */
  | { readonly kind: "ended"; readonly end: InstanceEnd };

/** An answer that is still being made, no faster than it is taken. */
export interface StreamingAnswer {
  /** As the instance said it, which is not trusted: `core/read-answer.ts` reads it. */
  readonly head: SaidHead;
  /** Destroying it tells the instance that nobody wants the rest; it fails where the answer breaks off. */
  readonly body: Readable;
  /** It changed the protocol: the body, and that of the request, are raw bytes. */
  readonly isUpgraded?: boolean;
  /** Complete once the body has ended. */
  readonly trailers: () => Readonly<Record<string, string>>;
  /** The code is done with the call, which may be after the body's end. Never rejects. */
  readonly over: Promise<StreamEnd>;
}

/** `left`: nobody took the rest. */
export type StreamEnd = { readonly kind: "whole" } | { readonly kind: "left" } | BreakOff;

export interface InstanceLog {
  /** Undefined outside of calls. */
  readonly requestId: string | undefined;
  readonly text: string;
}
