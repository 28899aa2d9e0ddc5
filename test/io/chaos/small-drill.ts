import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Experiment } from "#lib/contracts/drill.ts";
import type { Drill } from "../../../chaos/core/drill.ts";

const SHIPPED = resolve(import.meta.dirname, "../../../chaos/drills/zone-kill.json");

/** What Meridian reads of an experiment. */
export const drillOf = ({ extensions }: Experiment): Drill =>
  (extensions as unknown as readonly [{ drill: Drill }])[0].drill;

/** The shipped drill, but as short as can be judged, and with what a test changes in it. */
export function smallDrill(changes: Partial<Drill> = {}): Experiment {
  const experiment = JSON.parse(readFileSync(SHIPPED, "utf8")) as Experiment;
  const shipped = drillOf(experiment);
  const drill: Drill = {
    ...shipped,
    deadManMs: 20_000,
    phases: { baselineMs: 1_200, faultMs: 2_000, recoveryMs: 3_200 },
    bounds: {
      ...shipped.bounds,
      shiftedAfterMsMax: 1_000,
      detectedAfterMsMax: 1_500,
      restoredAfterMsMax: 1_200,
    },
    ...changes,
  };
  return { ...experiment, extensions: [{ name: "meridian", drill } as { name: string }] };
}

/** The experiment as a file in the folder. */
export function writeExperiment(directory: string, experiment: unknown): string {
  const file = join(directory, "experiment.json");
  writeFileSync(file, JSON.stringify(experiment));
  return file;
}
