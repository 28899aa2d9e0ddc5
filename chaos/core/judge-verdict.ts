import type { DrillFinding, DrillVerdict } from "#lib/contracts/drill.ts";

/** What ended the run before its time. */
export interface EarlyEnd {
  readonly verdict: Exclude<DrillVerdict, "PASSED" | "FAILED">;
  readonly because: string;
}

export interface Judgement {
  readonly verdict: DrillVerdict;
  readonly reasons: readonly string[];
}

/** What cut the run short comes before what it measured, and want of evidence before broken bounds. */
export function judgeVerdict(
  earlyEnd: EarlyEnd | null,
  invalidBecause: readonly string[],
  findings: readonly DrillFinding[],
): Judgement {
  if (earlyEnd !== null) return { verdict: earlyEnd.verdict, reasons: [earlyEnd.because] };
  if (invalidBecause.length > 0) return { verdict: "INVALID", reasons: invalidBecause };
  const broken = findings.filter((finding) => !finding.holds);
  if (broken.length > 0) return { verdict: "FAILED", reasons: broken.map(describe) };
  if (findings.length === 0)
    return { verdict: "INVALID", reasons: ["no bound was held against anything"] };
  return { verdict: "PASSED", reasons: [] };
}

const describe = ({ bound, measured, limit }: DrillFinding): string =>
  measured === null
    ? `${bound} broke: it never happened while the drill watched (at most ${limit} was promised)`
    : `${bound} broke: ${Math.round(measured)}, at most ${limit} was promised`;
