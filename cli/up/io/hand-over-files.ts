import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { endpointFileName } from "#lib/io/run-directory.ts";
import type { ProgramPlan } from "../core/plan-programs.ts";

/** The last tables and when they were confirmed. Quota floors are no legacy: both run for a while, and each has its own part. */
const BEQUEATHED = ["route-table.json", "route-table.json.previous", "confirmed.json"];
const OWN = ["floors.json"];

/** With its predecessor's table a gateway serves also where no federator answers. */
export function bequeathTable(from: ProgramPlan, to: ProgramPlan): void {
  const [source, target] = [from, to].map(({ config }) => config["stateDirectory"]);
  if (typeof source !== "string" || typeof target !== "string") return;
  mkdirSync(target, { recursive: true, mode: 0o700 });
  for (const name of [...BEQUEATHED, ...OWN]) rmSync(join(target, name), { force: true });
  for (const name of BEQUEATHED)
    try {
      copyFileSync(join(source, name), join(target, name));
    } catch {
      // What was never written, or is being replaced at this moment, is not left; the federator has it too.
    }
}

/** Nobody looks for a gateway where none is any more. */
export function withdrawEndpoint(runDirectory: string, { program, zone, name }: ProgramPlan): void {
  if (program !== "gateway") return;
  rmSync(join(runDirectory, endpointFileName(program, zone, name)), { force: true });
}
