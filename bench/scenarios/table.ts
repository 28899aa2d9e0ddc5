import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type FigureReading, type FigureResult, toFigures } from "../figures.ts";

const PROCESS = join(import.meta.dirname, "table-process.ts");
const PROCESS_TIMEOUT_MS = 120_000;
const FUNCTIONS = 100_000;

/** The route table of a large federation in a gateway: what it takes to keep, and how long a change holds up the calls. */
export async function benchTable({
  rounds,
  tell,
}: {
  readonly rounds: number;
  readonly tell: (what: string) => void;
}): Promise<FigureResult> {
  const folder = await mkdtemp(join(tmpdir(), "meridian-bench-table-"));
  const file = join(folder, "route-table.json");
  const run = (...argv: readonly string[]) =>
    promisify(execFile)(process.execPath, [PROCESS, ...argv], { timeout: PROCESS_TIMEOUT_MS });
  const readings: FigureReading[] = [];
  try {
    tell(`writing a table of ${FUNCTIONS} functions`);
    await run("write", file, String(FUNCTIONS));
    for (let round = 1; round <= rounds; round += 1) {
      tell(`round ${round} of ${rounds}`);
      const { stdout } = await run("read", file);
      // The process is our own and prints readings.
      readings.push(...(JSON.parse(stdout) as readonly FigureReading[]));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { figures: toFigures(readings), peerIs: "none" };
}
