import type { HeldNote } from "#lib/contracts/pod-frames.ts";
import type { DoorSettings } from "../door.ts";
import type { CallEnd, Instance, InstanceCall, InstanceLog, InstanceSpec } from "../driver.ts";
import { instanceProgram } from "../instance-command.ts";
import { noteOf } from "../left-instances.ts";
import type { NativeDoors } from "../native-door.ts";
import { notBegun } from "../not-begun.ts";
import { type ProcessInstance, processInstance } from "../process-instance.ts";
import type { PackedCode } from "./pack-code.ts";
import { hostOfPod, INSIDE_POD } from "./pod-host.ts";
import type { PodLink } from "./pod-link.ts";
import type { Pod, PodListener, PodOutcome } from "./pods.ts";

export interface PodInstanceOptions {
  readonly id: string;
  readonly spec: InstanceSpec;
  readonly native: NativeDoors;
  readonly startLimitMs: number;
  /** Its pod runs already, and a runner in it. */
  readonly isPooled: boolean;
  /** Absent: none can be this. */
  readonly pod: () => Pod | undefined;
  readonly pack: (codeDirectory: string) => Promise<PackedCode>;
  readonly seal: (note: unknown) => HeldNote;
  readonly onLog: (line: InstanceLog) => void;
  readonly onGone: () => void;
}

export interface PodInstance {
  readonly instance: Instance;
  readonly listener: PodListener;
  /** Makes the runner of a pod of the pool this instance. */
  readonly assign: (pod: Pod) => void;
  /** No pod can be this; the reason is for the function's owner. */
  readonly onImpossible: (reason: string) => void;
}

/** An instance whose process is in a pod: the same as one of this machine, but for how it is started and what is told of it. */
export function podInstance(options: PodInstanceOptions): PodInstance {
  const { id, spec, native, pack } = options;
  const inner = processInstance({
    id,
    spec,
    isPooled: options.isPooled,
    awaitsProcess: {
      limitMs: options.startLimitMs,
      obstacle: () => options.pod()?.obstacle() ?? "its pod did not start in time",
    },
    openDoor: (room) => native.open({ ...room, spec: { ...spec, codeDirectory: INSIDE_POD.task } }),
    onLog: options.onLog,
    kill: () => options.pod()?.end(),
    onGone: options.onGone,
  });
  /** Sends the code, and then what starts the function; in between it may have been ended, which the link then ignores. */
  const prepare = async (link: PodLink) => {
    const [settings, code] = await Promise.all([inner.settings, pack(spec.codeDirectory)]);
    await link.sendCode(code);
    const program = instanceProgram(
      id,
      { ...spec, codeDirectory: INSIDE_POD.task },
      {
        host: hostOfPod(link.host),
        runtimes: link.host.runtimes,
        environment: settings.environment,
      },
    );
    if (program.kind === "impossible") inner.onInitError(program.reason);
    else return { ...program, greeting: settings.greeting, heldNote: heldNoteOf(settings) };
    return undefined;
  };
  const heldNoteOf = ({ reopensBy }: DoorSettings): HeldNote | undefined => {
    const note = noteOf(spec, reopensBy);
    return note === undefined ? undefined : options.seal(note);
  };
  const start = async (link: PodLink): Promise<void> => {
    const prepared = await prepare(link);
    if (prepared === undefined) return;
    const { program: command, environment, directory, greeting, heldNote } = prepared;
    const line = JSON.stringify(greeting);
    link.send("start", { command, environment, directory, greeting: line, heldNote });
  };
  const assign = async (link: PodLink): Promise<void> => {
    inner.onReport({ kind: "started", instance: id, pid: 0, startedAt: "" });
    const prepared = await prepare(link);
    if (prepared === undefined) return;
    const { environment, directory, greeting, heldNote } = prepared;
    const line = JSON.stringify({ ...greeting, environment, directory });
    link.send("greet", { greeting: line, heldNote });
  };
  const failed = (error: unknown): void => {
    inner.onNotStarted(String(error));
    options.pod()?.end();
  };
  const { instance, leave } = leavingInstance(inner, () => options.pod()?.end());
  return {
    instance,
    listener: instanceListener(inner, (link) => void start(link).catch(failed), leave),
    assign: (pod) => {
      const link = pod.link();
      if (link !== undefined) void assign(link).catch(failed);
    },
    onImpossible: inner.onInitError,
  };
}

/** What of a pod concerns the instance in it. */
export function instanceListener(
  inner: ProcessInstance,
  onLink: PodListener["onLink"],
  onLeaving: () => void,
): PodListener {
  const { id: instance } = inner;
  return {
    onLink,
    onReport: (report) =>
      inner.onReport(
        report.kind === "started"
          ? { ...report, instance, startedAt: "" }
          : { ...report, instance },
      ),
    onLeaving,
    onGone: (outcome) => endBy(inner, outcome),
  };
}

function endBy(inner: ProcessInstance, outcome: PodOutcome): void {
  if (outcome.kind === "lost") return inner.onNotStarted(outcome.reason);
  const { end } = outcome;
  return inner.onReport({
    kind: "exited",
    instance: inner.id,
    code: end.kind === "exit" ? end.code : null,
    signal: end.kind === "signal" ? end.signal : null,
    isOutOfMemory: end.kind === "out-of-memory",
  });
}

/** After `leave` it takes no more calls, finishes those it has, and ends. */
export function leavingInstance(
  inner: Instance,
  end: () => void,
): { readonly instance: Instance; readonly leave: () => void } {
  let running = 0;
  let isLeaving = false;
  const over = (): void => {
    running -= 1;
    if (isLeaving && running === 0) end();
  };
  return {
    instance: {
      ...inner,
      invoke: (header, input): InstanceCall => {
        if (isLeaving) return notBegun();
        running += 1;
        const call = inner.invoke(header, input);
        void call.outcome.then(wholeEnd).then(over);
        return call;
      },
    },
    leave: () => {
      isLeaving = true;
      if (running === 0) end();
    },
  };
}

/** A streamed answer goes on after it has begun. */
const wholeEnd = async (end: CallEnd): Promise<void> => {
  if (end.kind === "stream") await end.answer.over;
};
