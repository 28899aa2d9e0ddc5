import { LATENCY_CLASS_RATIO, LATENCY_CLASSES_MS } from "#lib/contracts/zone-report.ts";

/** What one arm counted in one step. */
export interface ArmCounts {
  readonly calls: number;
  readonly errors: number;
  readonly latencyCounts: readonly number[];
}

/** One step of a rollout in one zone: both arms, and which part of the calls in either of them chance gave to the new version. */
export interface StepArms {
  readonly canary: ArmCounts;
  readonly control: ArmCounts;
  /** 0.5 where the arms are of equal size. */
  readonly canaryShare: number;
}

export type CanaryJudgement =
  | { readonly kind: "not-worse" }
  | { readonly kind: "worse"; readonly reason: string };

/**
 * How much more often something bad may happen to the new version's calls than to the control's. Chance alone, not the world, decides
 * in which arm a call is, so that without a difference each bad call is the canary's with the probability of its share.
 */
const RATIOS = [1.25, 1.5, 2, 3, 5, 10, 30, 100] as const;

/**
 * Is the new version worse than the control, in errors or in latency? May be asked as often as one likes: if it is not worse, the
 * chance that it is ever called so is at most `falseAlarmRate`.
 *
 * The evidence is a likelihood ratio, averaged over alternatives: a test martingale, which exceeds 1/α with probability α at most,
 * whenever it is looked at (Ville 1939; Robbins, Annals of Mathematical Statistics 41 (1970); Johari, Koomen, Pekelis, Walsh,
 * "Always Valid Inference", Operations Research 70 (2022)). The average of such ratios is one too, so that nothing has to be
 * corrected for testing errors and each latency. Small samples cannot reach the bound, and so they wait.
 */
export function judgeCanary(steps: readonly StepArms[], falseAlarmRate: number): CanaryJudgement {
  const alternatives = RATIOS.map((ratio) => alternativeOf(ratio, steps));
  const errors = evidence(
    alternatives,
    steps.map(({ canary, control }) => ({ canary: canary.errors, control: control.errors })),
  );
  const latency = latencyEvidence(alternatives, steps);
  if ((errors + latency) / 2 < 1 / falseAlarmRate) return { kind: "not-worse" };
  return { kind: "worse", reason: errors >= latency ? inErrors(steps) : inLatency(steps) };
}

/** That bad things strike the canary more often by one of the ratios, as logarithms. */
interface Alternative {
  readonly ofCanary: number;
  /** By step: of both arms together, as large as they are. */
  readonly ofBoth: readonly number[];
}

const alternativeOf = (ratio: number, steps: readonly StepArms[]): Alternative => ({
  ofCanary: Math.log(ratio),
  ofBoth: steps.map(({ canaryShare }) => Math.log(ratio * canaryShare + 1 - canaryShare)),
});

/** Bad calls of a step, by arm. */
interface Events {
  readonly canary: number;
  readonly control: number;
}

/** The likelihood of the events under the alternatives, over that if there is no difference. */
function evidence(alternatives: readonly Alternative[], steps: readonly Events[]): number {
  if (steps.every(({ canary, control }) => canary + control === 0)) return 1;
  let total = 0;
  for (const { ofCanary, ofBoth } of alternatives) {
    let logarithm = 0;
    for (const [index, { canary, control }] of steps.entries())
      logarithm += canary * ofCanary - (canary + control) * (ofBoth[index] ?? 0);
    total += Math.exp(logarithm);
  }
  return total / alternatives.length;
}

/**
 * For each class: the canary's calls that took longer than 1.2 times its end against the control's that took longer than its end.
 * So only what is more than 1.2 times slower is ever called slower.
 */
function latencyEvidence(alternatives: readonly Alternative[], steps: readonly StepArms[]): number {
  const tails = steps.map(({ canary, control }) => ({
    canary: slowerThan(canary.latencyCounts),
    control: slowerThan(control.latencyCounts),
  }));
  return mean(
    LATENCY_CLASSES_MS.slice(0, -1).map((_, index) =>
      evidence(
        alternatives,
        tails.map(({ canary, control }) => ({
          canary: canary[index + 1] ?? 0,
          control: control[index] ?? 0,
        })),
      ),
    ),
  );
}

/** For each class, how many calls are in the classes above it. */
function slowerThan(latencyCounts: readonly number[]): readonly number[] {
  const slower = latencyCounts.map(() => 0);
  for (let index = latencyCounts.length - 2; index >= 0; index -= 1)
    slower[index] = (slower[index + 1] ?? 0) + (latencyCounts[index + 1] ?? 0);
  return slower;
}

function inErrors(steps: readonly StepArms[]): string {
  const compared = steps.filter(isCompared);
  const canary = errorRate(compared.map((step) => step.canary));
  const control = errorRate(compared.map((step) => step.control));
  return `more errors: ${canary}, the version before ${control}`;
}

function errorRate(arms: readonly ArmCounts[]): string {
  const calls = sum(arms.map((arm) => arm.calls));
  const errors = sum(arms.map((arm) => arm.errors));
  return `${((errors / Math.max(1, calls)) * 100).toFixed(1)} % of ${calls} calls`;
}

function inLatency(steps: readonly StepArms[]): string {
  const compared = steps.filter(isCompared);
  const canary = percentile95(compared.map((step) => step.canary));
  const control = percentile95(compared.map((step) => step.control));
  return `slower by more than ${LATENCY_CLASS_RATIO} times: 95 of 100 calls within ${canary}, the version before ${control}`;
}

const isCompared = ({ canaryShare }: StepArms): boolean => canaryShare < 1;

function percentile95(arms: readonly ArmCounts[]): string {
  const counts = [...LATENCY_CLASSES_MS, Infinity].map((_, index) =>
    sum(arms.map(({ latencyCounts }) => latencyCounts[index] ?? 0)),
  );
  const slower = slowerThan(counts);
  const allowed = sum(counts) * 0.05;
  const index = slower.findIndex((count) => count <= allowed);
  const endMs = LATENCY_CLASSES_MS[index];
  return endMs === undefined ? "more than a minute" : `${Math.round(endMs)} ms`;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
const mean = (numbers: readonly number[]): number => sum(numbers) / numbers.length;
