import type { TLSSocket } from "node:tls";
import type { Logger } from "pino";
import type { ObservedPod } from "#lib/contracts/observed-pod.ts";
import type { PodHello, PodReport } from "#lib/contracts/pod-frames.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { InstanceEnd } from "../../core/function-error.ts";
import { judgePod } from "../../core/kubernetes/judge-pod.ts";
import {
  ownLabels,
  type PodFunction,
  type podManifest,
} from "../../core/kubernetes/pod-manifest.ts";
import type { AgentIdentity } from "./agent-identity.ts";
import { persist } from "./cluster-refusal.ts";
import type { Cluster } from "./open-cluster.ts";
import { type PodLink, podLink } from "./pod-link.ts";
import type { ReceiveFrame } from "./pod-server.ts";

/** How long the cluster is given to say why a pod is silent, before it is just lost. */
const VERDICT_WAIT_MS = 2_000;
/** A pod that was told to end does so at once; one that does not is taken from it. */
const END_WAIT_MS = 3_000;
const GRACE_SECONDS = 1;

type PodManifest = ReturnType<typeof podManifest>;

/** What became of a pod: how it ended where that is known, and else why nothing more is. */
export type PodOutcome =
  | { readonly kind: "ended"; readonly end: Exclude<InstanceEnd, { readonly kind: "lost" }> }
  | { readonly kind: "lost"; readonly reason: string };

/** Who is told of a pod. */
export interface PodListener {
  /** Its launcher is here. */
  readonly onLink: (link: PodLink) => void;
  readonly onReport: (report: Exclude<PodReport, { readonly kind: "exited" }>) => void;
  /** The cluster wants it gone: it may finish what it does. */
  readonly onLeaving: () => void;
  /** Last, and once. */
  readonly onGone: (outcome: PodOutcome) => void;
}

export interface Pod {
  readonly name: string;
  readonly link: () => PodLink | undefined;
  /** What keeps it from running, as far as the cluster said. */
  readonly obstacle: () => string | undefined;
  readonly listen: (listener: PodListener) => void;
  /** It has a function now; the cluster is told when what the function needs is there. */
  readonly relabel: (of: PodFunction, needs: () => Promise<void>) => void;
  /** Ends all that is in it, and removes it. */
  readonly end: () => void;
}

export interface Pods {
  /** Asked for once what it needs is there. */
  readonly create: (
    manifest: PodManifest,
    needs: () => Promise<void>,
    listener: PodListener,
  ) => Pod;
  /** One of an agent before this one; what it says is for the listener. */
  readonly expect: (name: string, listener: PodListener) => Pod;
  readonly onHello: (hello: PodHello, socket: TLSSocket) => ReceiveFrame | undefined;
  /** False: nobody here knows of it, and it is not on its way out. */
  readonly onObserved: (pod: ObservedPod) => boolean;
  readonly onRemoved: (name: string) => void;
  /** Removes one that nobody knows. */
  readonly remove: (name: string) => void;
  /** Resolves when all removals are through, or given up. */
  readonly settled: () => Promise<void>;
}

export interface PodsOptions {
  readonly agent: string;
  readonly cluster: Cluster;
  readonly identity: AgentIdentity;
  readonly clock: Clock;
  readonly log: Logger;
  /** What a runner says over the connection for its calls. */
  readonly onCalls: (socket: TLSSocket) => ReceiveFrame;
}

interface Entry {
  readonly name: string;
  listener: PodListener;
  /** Its token was not used yet. */
  isTokenGood: boolean;
  link: PodLink | undefined;
  obstacle: string | undefined;
  isEnding: boolean;
  timer: NodeJS.Timeout | undefined;
}

/** All pods of this agent, each with what the cluster and its own launcher say of it. */
export function openPods({ agent, cluster, identity, clock, log, onCalls }: PodsOptions): Pods {
  const entries = new Map<string, Entry>();
  const removals = new Map<string, Promise<void>>();
  const sleep = (delayMs: number) => clock.sleep(delayMs);

  const remove = (name: string, graceSeconds = GRACE_SECONDS): void => {
    if (removals.has(name)) return;
    const removal = persist(() => cluster.removePod(name, graceSeconds), sleep)
      .catch((error: unknown) => log.warn({ err: error, pod: name }, "a pod was not removed"))
      .finally(() => removals.delete(name));
    removals.set(name, removal);
  };
  const finish = (entry: Entry, outcome: PodOutcome): void => {
    if (entries.get(entry.name) !== entry) return;
    entries.delete(entry.name);
    clearTimeout(entry.timer);
    // Its processes are known to be gone, or it is not known where they are: its node decides how soon then.
    remove(entry.name, outcome.kind === "ended" ? 0 : GRACE_SECONDS);
    entry.listener.onGone(outcome);
    entry.link?.close();
  };
  const finishLater = (entry: Entry, afterMs: number, outcome: PodOutcome): void => {
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => finish(entry, outcome), afterMs);
  };
  const end = (entry: Entry): void => {
    if (entry.isEnding) return;
    entry.isEnding = true;
    if (entry.link === undefined)
      return finish(entry, { kind: "lost", reason: "it was ended before it was ready" });
    entry.link.send("end", {});
    const reason = "its pod did not end when it was told to";
    finishLater(entry, END_WAIT_MS, { kind: "lost", reason });
  };
  const onReport = (entry: Entry, report: PodReport): void => {
    if (report.kind !== "exited") return entry.listener.onReport(report);
    return finish(entry, { kind: "ended", end: endOf(report) });
  };
  const add = (name: string, listener: PodListener, isTokenGood: boolean): Entry => {
    const entry: Entry = {
      name,
      listener,
      isTokenGood,
      link: undefined,
      obstacle: undefined,
      isEnding: false,
      timer: undefined,
    };
    entries.set(name, entry);
    return entry;
  };
  const podOf = (entry: Entry, manifest?: PodManifest): Pod => ({
    name: entry.name,
    link: () => entry.link,
    obstacle: () => entry.obstacle,
    listen: (listener) => {
      entry.listener = listener;
    },
    relabel: (of, needs) => {
      if (manifest === undefined) return;
      const labels = { ...manifest.metadata.labels, ...ownLabels(agent, of) };
      const relabelled = { ...manifest, metadata: { ...manifest.metadata, labels } };
      const ask = async (): Promise<void> => {
        await needs();
        if (entries.get(entry.name) === entry) await cluster.apply(relabelled);
        if (entries.get(entry.name) !== entry) remove(entry.name);
      };
      persist(ask, sleep).catch((error: unknown) =>
        log.warn({ err: error, pod: entry.name }, "a pod keeps the labels of the pool"),
      );
    },
    end: () => end(entry),
  });

  const onControl = (entry: Entry, hello: PodHello, socket: TLSSocket): ReceiveFrame => {
    entry.isTokenGood = false;
    const link = podLink({
      socket,
      hello,
      onReport: (report) => onReport(entry, report),
      onClosed: () =>
        finishLater(entry, VERDICT_WAIT_MS, {
          kind: "lost",
          reason: "the connection to its pod broke off",
        }),
    });
    entry.link = link;
    link.send("welcome", { pass: identity.sign("pass", entry.name) });
    if (entry.isEnding) link.send("end", {});
    else entry.listener.onLink(link);
    return link.receive;
  };

  return {
    create: (manifest, needs, listener) => {
      const { name } = manifest.metadata;
      const entry = add(name, listener, true);
      const ask = async (): Promise<void> => {
        await needs();
        if (entries.get(name) === entry) await cluster.apply(manifest);
        // Ended while it was asked for: its removal may have come first.
        if (entries.get(name) !== entry) remove(name);
      };
      persist(ask, sleep).catch((error: unknown) =>
        finish(entry, { kind: "lost", reason: messageOf(error) }),
      );
      return podOf(entry, manifest);
    },
    expect: (name, listener) => podOf(add(name, listener, false)),
    onHello: (hello, socket) => {
      const { pod, word, link } = hello;
      const entry = entries.get(pod);
      if (entry === undefined) return undefined;
      if (link === "calls") {
        const isKnown = entry.link !== undefined && identity.isSigned("pass", pod, word);
        return isKnown ? onCalls(socket) : undefined;
      }
      const isKnown =
        identity.isSigned("pass", pod, word) ||
        (entry.isTokenGood && identity.isSigned("token", pod, word));
      // A second connection, or one of a pod that is given up, is nobody's.
      if (!isKnown || entry.link !== undefined) return undefined;
      return onControl(entry, hello, socket);
    },
    onObserved: (observed) => {
      const { name, deletionTimestamp } = observed.metadata;
      const entry = entries.get(name);
      if (entry === undefined) return removals.has(name) || deletionTimestamp !== undefined;
      const state = judgePod(observed);
      entry.obstacle = state.kind === "pending" ? state.obstacle : undefined;
      if (state.kind === "blocked") finish(entry, { kind: "lost", reason: state.reason });
      if (state.kind === "leaving" && !entry.isEnding) {
        if (entry.link === undefined)
          finish(entry, { kind: "lost", reason: "its pod was deleted while it started" });
        else entry.listener.onLeaving();
      }
      if (state.kind === "ended") finish(entry, outcomeOf(entry, state));
      return true;
    },
    onRemoved: (name) => {
      const entry = entries.get(name);
      if (entry !== undefined) finish(entry, { kind: "lost", reason: "its pod was deleted" });
    },
    remove: (name) => remove(name),
    settled: async () => {
      while (removals.size > 0) await Promise.all(removals.values());
    },
  };
}

const KILLED = { kind: "signal", signal: "SIGKILL" } as const;

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

function endOf(report: Extract<PodReport, { readonly kind: "exited" }>) {
  if (report.isOutOfMemory) return { kind: "out-of-memory" } as const;
  return report.signal === null
    ? ({ kind: "exit", code: report.code ?? 0 } as const)
    : ({ kind: "signal", signal: report.signal } as const);
}

/** An end before its launcher came is not the function's: nothing of it was there. */
function outcomeOf(
  entry: Entry,
  { end, reason }: { readonly end: InstanceEnd; readonly reason?: string },
): PodOutcome {
  if (entry.isEnding) return { kind: "ended", end: KILLED };
  if (entry.link !== undefined && end.kind === "out-of-memory") return { kind: "ended", end };
  const code = end.kind === "exit" ? ` with code ${end.code}` : "";
  return { kind: "lost", reason: reason ?? `its container ended by itself${code}` };
}
