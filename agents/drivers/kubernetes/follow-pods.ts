import type { Logger } from "pino";
import type { ObservedPod } from "#lib/contracts/observed-pod.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import type { Cluster } from "./open-cluster.ts";

const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 10_000;

export interface PodFollower {
  /** Every change, and after a gap what there is; in order. */
  readonly onPod: (pod: ObservedPod) => void;
  /** It was there, and is not any more. */
  readonly onGone: (name: string) => void;
}

/** Lists and watches for as long as the signal does not end it: what an apiserver forgot, or took down with it, is listed again. */
export async function followPods(
  cluster: Pick<Cluster, "listPods" | "watchPods">,
  follower: PodFollower,
  { clock, random, log }: { readonly clock: Clock; readonly random: Random; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  let known = new Set<string>();
  let resourceVersion: string | undefined;
  let failures = 0;

  const list = async (): Promise<string> => {
    const listed = await cluster.listPods();
    const names = new Set(listed.pods.map(({ metadata }) => metadata.name));
    for (const name of known) if (!names.has(name)) follower.onGone(name);
    known = names;
    for (const pod of listed.pods) follower.onPod(pod);
    return listed.resourceVersion;
  };
  const watch = async (from: string): Promise<string | undefined> => {
    const end = await cluster.watchPods(
      from,
      (event) => {
        failures = 0;
        if (event.kind === "gone") {
          known.delete(event.name);
          return follower.onGone(event.name);
        }
        known.add(event.pod.metadata.name);
        return follower.onPod(event.pod);
      },
      signal,
    );
    return end.kind === "resume" ? end.resourceVersion : undefined;
  };

  while (!signal.aborted) {
    try {
      resourceVersion ??= await list();
      const beganAtMs = clock.nowMs();
      resourceVersion = await watch(resourceVersion);
      // One that ends as soon as it begins is no reason to ask without pause.
      if (clock.nowMs() - beganAtMs >= PAUSE_MAX_MS) failures = 0;
      else await pause();
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ err: error }, "the cluster's pods cannot be followed; trying again");
      await pause();
    }
  }

  async function pause(): Promise<void> {
    const pauseMs = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** failures);
    failures += 1;
    await clock.sleep(pauseMs * (0.5 + random.next() / 2), signal).catch(() => undefined);
  }
}
