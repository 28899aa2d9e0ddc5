/** How work is shown: a live tree on a terminal, a line for each finished step elsewhere, nothing for machines. */
export type ProgressStyle = "terminal" | "lines" | "silent";

export interface Step {
  readonly title: string;
  readonly run: () => Promise<unknown>;
}

export function progressStyle(isSilent: boolean): ProgressStyle {
  if (isSilent) return "silent";
  // Some terminals of build machines have no width, and would get a letter a line.
  return process.stdout.isTTY && process.stdout.columns > 0 ? "terminal" : "lines";
}

/** Runs all steps at once; rejects with the first failure once every step has ended. */
export async function showProgress(style: ProgressStyle, steps: readonly Step[]): Promise<void> {
  if (style === "terminal") return onTerminal(steps);
  const outcomes = await Promise.allSettled(
    steps.map(async ({ title, run }) => {
      const startedAtMs = performance.now();
      await run();
      if (style === "lines")
        process.stdout.write(`  ${title}: ${inSeconds(performance.now() - startedAtMs)}\n`);
    }),
  );
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function onTerminal(steps: readonly Step[]): Promise<void> {
  const { Listr } = await import("listr2");
  const tree = new Listr(
    steps.map(({ title, run }) => ({
      title,
      task: async () => void (await run()),
    })),
    { concurrent: true, exitOnError: true, registerSignalListeners: false },
  );
  await tree.run();
}

const inSeconds = (durationMs: number): string => `${(durationMs / 1_000).toFixed(1)} s`;
