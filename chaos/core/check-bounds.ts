import type { DrillFinding, DrillReport } from "#lib/contracts/drill.ts";
import type { Drill } from "./drill.ts";
import type { JudgedCall } from "./judge-calls.ts";

/**
 * Every bound of the drill, held against what was measured. What was never seen to happen breaks its bound; but a zone that
 * was never taken out, which breaks the bound of detection, is not judged by its return.
 */
export function checkBounds(
  bounds: Drill["bounds"],
  timings: DrillReport["timings"],
  judged: readonly JudgedCall[],
  targetZone: string,
  lateAfterMs: number,
): DrillFinding[] {
  const count = (matches: (call: JudgedCall) => boolean) => judged.filter(matches).length;
  const kept = count(({ series, verdict }) => series.isIdempotent && verdict === "good");
  const lost = count(({ series, verdict }) => series.isIdempotent && verdict === "lost");
  const promised = kept + lost;
  return [
    finding(
      "shiftedAfterMsMax",
      bounds.shiftedAfterMsMax,
      timings.shiftedAfterMs,
      "Milliseconds from the proof of the fault to the last call through a living gateway that failed or needed a second attempt.",
    ),
    finding(
      "detectedAfterMsMax",
      bounds.detectedAfterMsMax,
      timings.detectedAfterMs,
      "Milliseconds from the proof of the fault until a surviving zone's status showed the cluster down.",
    ),
    finding(
      "idempotentLostMax",
      bounds.idempotentLostMax,
      lost,
      `Idempotent calls without a good answer, of ${promised}; those that went down with the killed gateway are not among them.${certainty(lost, promised)}`,
    ),
    finding(
      "duplicatedMax",
      bounds.duplicatedMax,
      count(({ series, starts }) => !series.isIdempotent && starts > 1),
      "Calls of the function that is not idempotent which were started more than once, counted inside the function.",
    ),
    finding(
      "lateMax",
      bounds.lateMax,
      count(({ verdict, latencyMs }) => verdict === "good" && latencyMs > lateAfterMs),
      `Good answers later than ${lateAfterMs} ms after the call was due.`,
    ),
    finding(
      "connectionLostMax",
      bounds.connectionLostMax,
      count(
        ({ series, verdict }) => series.gatewayZone !== targetZone && verdict === "connection-lost",
      ),
      "Calls on the shared address that went down with the killed gateway, which held their connection. Those aimed at its own port are in the table of series.",
    ),
    ...(timings.detectedAfterMs === null
      ? []
      : [
          finding(
            "restoredAfterMsMax",
            bounds.restoredAfterMsMax,
            timings.restoredAfterMs,
            "Milliseconds from the return of the zone's start until it kept 95 % of its share in every window of 2 s.",
          ),
        ]),
  ];
}

/** The hypothesis held before the fault, or the drill would not have begun; this is about afterwards. */
export const steadyStateFinding = (probesFailed: number): DrillFinding =>
  finding(
    "steadyStateAfter",
    0,
    probesFailed,
    "Probes of the steady-state hypothesis that failed after the drill.",
  );

const finding = (
  bound: string,
  limit: number,
  measured: number | null,
  meaning: string,
): DrillFinding => ({
  bound,
  limit,
  measured,
  holds: measured !== null && measured <= limit,
  meaning,
});

/** The rule of three: none in n is a rate of at most 3/n, with 95 % confidence. */
const certainty = (lost: number, calls: number): string =>
  lost > 0 || calls === 0
    ? ""
    : ` None lost shows a rate of at most ${((3 / calls) * 100).toPrecision(2)} %, with 95 % confidence.`;
