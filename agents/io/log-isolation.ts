import type { Logger } from "pino";
import type { IsolationReport } from "#lib/contracts/isolation.ts";
import { describeLevel } from "#lib/isolation.ts";
import type { LatestValue } from "#lib/latest-value.ts";

/** A line for each change of the proved level, a warning where it fell; gives the function that ends it. */
export function logIsolation(
  isolation: Pick<LatestValue<IsolationReport | undefined>, "get" | "subscribe">,
  log: Pick<Logger, "info" | "warn">,
): () => void {
  let last: IsolationReport["level"] | undefined;
  const tell = (report: IsolationReport | undefined): void => {
    const level = report?.level;
    if (level === last) return;
    const broken = (report?.checks ?? []).filter(({ holds }) => !holds).map(({ name }) => name);
    const hasFallen = last !== undefined && (level === undefined || level < last);
    log[hasFallen ? "warn" : "info"](
      { was: describeLevel(last), isolation: describeLevel(level), broken },
      hasFallen ? "instances are isolated less than before" : "isolation of instances is proved",
    );
    last = level;
  };
  tell(isolation.get());
  return isolation.subscribe(tell);
}
