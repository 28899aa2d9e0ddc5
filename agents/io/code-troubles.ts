import type { Logger } from "pino";
import { CODE_TROUBLES_MAX, type CodeTroubleReport } from "#lib/contracts/zone-report.ts";
import type { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { afterFailedFetch, type CodeTrouble, failureAtOnce } from "../core/code-trouble.ts";

/** More are forgotten, the oldest first: those are then tried again sooner. */
const REMEMBERED_MAX = 1_000;
const DETAIL_CHARACTERS_MAX = 300;

/** What is remembered of code that could not be put in place, so that calls for it are answered and not each tries again. */
export interface CodeTroubles {
  /** Why it is not tried now. */
  readonly refusal: (digest: string) => MeridianError | undefined;
  readonly failed: (digest: string, error: MeridianError) => void;
  readonly succeeded: (digest: string) => void;
  /** The newest. */
  readonly report: () => readonly CodeTroubleReport[];
}

export function codeTroubles(clock: Pick<Clock, "nowMs">, log: Logger): CodeTroubles {
  const troubles = new Map<string, CodeTrouble>();
  return {
    refusal: (digest) => failureAtOnce(troubles.get(digest), clock.nowMs()),
    failed: (digest, error) => {
      const trouble = afterFailedFetch(troubles.get(digest), error, clock.nowMs());
      troubles.delete(digest);
      troubles.set(digest, trouble);
      const [oldest] = troubles.keys();
      if (troubles.size > REMEMBERED_MAX && oldest !== undefined) troubles.delete(oldest);
      const { failures } = trouble;
      const retryInMs = Math.round(trouble.retryAtMs - clock.nowMs());
      log.warn({ err: error, digest, failures, retryInMs }, "code is not here yet");
    },
    succeeded: (digest) => void troubles.delete(digest),
    report: () =>
      [...troubles]
        .slice(-CODE_TROUBLES_MAX)
        .map(([digest, { failures, retryAtMs, lastError }]) => ({
          digest,
          code: lastError.code,
          detail: lastError.message.slice(0, DETAIL_CHARACTERS_MAX),
          failures,
          retryInMs: Math.max(0, Math.ceil(retryAtMs - clock.nowMs())),
        })),
  };
}
