import type { IWatchResponse } from "etcd3";
import { assembleRevisions } from "#lib/io/etcd/assemble-revisions.ts";
import { etcdError, etcdUnavailable } from "#lib/io/etcd/etcd-failure.ts";
import { type EtcdKeys, incarnationOf, toRevision } from "#lib/io/etcd/etcd-keys.ts";
import { BrokenWatch, watchStream, type WatchStreamOptions } from "#lib/io/etcd/watch-stream.ts";
import type { WatchEvent, WatchQuery } from "#lib/ports/catalog.ts";

export interface EtcdWatchOptions extends WatchStreamOptions {
  readonly keys: EtcdKeys;
  /** Streams that break are replaced until none has brought anything for so long. */
  readonly giveUpAfterMs: number;
}

/**
 * A watch across as many streams as it takes. Each next one begins after the revision delivered last: etcd3's own watcher begins
 * after the newest revision it ever heard of, and loses what lies between.
 */
export async function* etcdWatch(
  options: EtcdWatchOptions,
  query: WatchQuery,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void, undefined> {
  const { role, clock, giveUpAfterMs } = options;
  const position = { resumeAfter: query.afterRevision, told: 0, incarnation: "" };
  let failures = 0;
  let aliveAtMs = clock.nowMs();
  while (!signal.aborted) {
    try {
      for await (const event of oneStream(options, query.prefix, position, signal)) {
        yield event;
        if (event.kind === "compacted" || signal.aborted) return;
        failures = 0;
        aliveAtMs = clock.nowMs();
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof BrokenWatch)) throw error;
      const { failure } = error;
      if (failure.kind === "refused" && failure.reason !== "busy") throw etcdError(failure, error);
      failures += 1;
      const limits = { endsAtMs: aliveAtMs + giveUpAfterMs, signal };
      await role.pause(failures, limits, failure).catch((reason: unknown) => {
        if (!signal.aborted) throw reason;
      });
    }
  }
}

interface WatchPosition {
  /** Delivered, or passed without anything to deliver. */
  resumeAfter: number;
  /** The newest revision that was told of, so that a member that lags tells none before it. */
  told: number;
  incarnation: string;
}

async function* oneStream(
  options: EtcdWatchOptions,
  prefix: string,
  position: WatchPosition,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void, undefined> {
  const assemble = assembleRevisions(options.keys, position.resumeAfter);
  for await (const response of responsesAfter(options, prefix, position.resumeAfter, signal)) {
    await options.role.confirm(response.header);
    const incarnation = incarnationOf(response.header);
    if (position.incarnation !== "" && position.incarnation !== incarnation)
      throw etcdUnavailable("The etcd cluster is another one now; watch again.");
    position.incarnation = incarnation;
    if (response.canceled) {
      const compactRevision = toRevision(response.compact_revision);
      return yield { kind: "compacted", incarnation, compactRevision };
    }
    if (response.events.length === 0 && !response.created && !response.fragment) {
      // The member sends it only once all before it is sent.
      const revision = toRevision(response.header.revision);
      position.told = Math.max(position.told, revision);
      position.resumeAfter = Math.max(position.resumeAfter, revision);
      yield { kind: "progress", incarnation, revision: position.told };
      continue;
    }
    for (const { revision, changes } of assemble(response)) {
      position.told = revision;
      position.resumeAfter = revision;
      yield { kind: "revision", incarnation, revision, changes };
      if (signal.aborted) return;
    }
  }
}

/**
 * Begins at the revision itself, which is delivered again and dropped: a member tells no progress to a watch that begins after its
 * newest revision. For the same reason a member that lags behind the revision is watched from where it is.
 */
async function* responsesAfter(
  options: EtcdWatchOptions,
  prefix: string,
  afterRevision: number,
  signal: AbortSignal,
): AsyncGenerator<IWatchResponse, void, undefined> {
  const range = options.keys.rangeOf(prefix, "");
  let startRevision = Math.max(1, afterRevision);
  for (;;) {
    let memberRevision = startRevision;
    for await (const response of watchStream(options, { ...range, startRevision }, signal)) {
      if (response.created) memberRevision = toRevision(response.header.revision);
      if (memberRevision < startRevision) break;
      yield response;
    }
    startRevision = memberRevision;
  }
}
