import type { Watch } from "@kubernetes/client-node";
import { Value } from "typebox/value";
import { ObservedPod } from "#lib/contracts/observed-pod.ts";
import { numberOf, refusalOf } from "./api-answers.ts";

/** The API ends a watch after that: another one of several apiservers may take the next. */
const WATCH_SECONDS = 240;
const RESOURCE_EXPIRED = 410;

export type PodEvent =
  | { readonly kind: "pod"; readonly pod: ObservedPod }
  | { readonly kind: "gone"; readonly name: string };

export type WatchEnd =
  | { readonly kind: "resume"; readonly resourceVersion: string }
  /** What happened since is not known there any more: everything has to be listed. */
  | { readonly kind: "expired" };

/** One watch, from the version of a list or of the watch before it until the API ends it. */
export async function watchPods(
  watch: Watch,
  namespace: string,
  labelSelector: string,
  resourceVersion: string,
  onEvent: (event: PodEvent) => void,
  signal: AbortSignal,
): Promise<WatchEnd> {
  const over = Promise.withResolvers<WatchEnd>();
  let newest = resourceVersion;
  const request = await watch.watch(
    `/api/v1/namespaces/${namespace}/pods`,
    { labelSelector, resourceVersion, allowWatchBookmarks: true, timeoutSeconds: WATCH_SECONDS },
    (phase, said: unknown) => {
      if (phase === "ERROR") return over.resolve({ kind: "expired" });
      const pod = readPod(said);
      newest = versionOf(said) ?? newest;
      if (pod === undefined || phase === "BOOKMARK") return undefined;
      return onEvent(
        phase === "DELETED" ? { kind: "gone", name: pod.metadata.name } : { kind: "pod", pod },
      );
    },
    (error: unknown) => {
      if (isExpired(error)) over.resolve({ kind: "expired" });
      else if (isQuiet(error)) over.resolve({ kind: "resume", resourceVersion: newest });
      else over.reject(refusalOf(error));
    },
  );
  const stop = (): void => {
    request.abort();
    over.resolve({ kind: "resume", resourceVersion: newest });
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  return over.promise.finally(() => {
    signal.removeEventListener("abort", stop);
    request.abort();
  });
}

function versionOf(said: unknown): string | undefined {
  const { metadata } = (said ?? {}) as { metadata?: { resourceVersion?: unknown } };
  return typeof metadata?.resourceVersion === "string" ? metadata.resourceVersion : undefined;
}

/** Undefined for what is no pod as we know them. */
export function readPod(said: unknown): ObservedPod | undefined {
  return Value.Check(ObservedPod, said) ? said : undefined;
}

const isExpired = (error: unknown): boolean => numberOf(error, "statusCode") === RESOURCE_EXPIRED;

/** The client ends a watch on which nothing came for 30 s. */
const isQuiet = (error: unknown): boolean =>
  error === null ||
  error === undefined ||
  (error instanceof Error && (error.name === "TimeoutError" || error.name === "AbortError"));
