import type { DrillFinding, DrillVerdict } from "#lib/contracts/drill.ts";

/** How the run went, besides what was measured. */
export interface RunEnding {
  readonly interruptedBecause: string | null;
  readonly abortedBecause: string | null;
  readonly blockedBecause: readonly string[];
  readonly invalidBecause: readonly string[];
}

export interface Judgement {
  readonly verdict: DrillVerdict;
  readonly reasons: readonly string[];
}

/** What cut the run short comes before what it measured, and want of evidence before broken bounds. */
export function judgeVerdict(ending: RunEnding, findings: readonly DrillFinding[]): Judgement {
  const { interruptedBecause, abortedBecause, blockedBecause, invalidBecause } = ending;
  if (blockedBecause.length > 0) return { verdict: "BLOCKED", reasons: blockedBecause };
  if (interruptedBecause !== null) return { verdict: "INTERRUPTED", reasons: [interruptedBecause] };
  if (abortedBecause !== null) return { verdict: "ABORTED", reasons: [abortedBecause] };
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
