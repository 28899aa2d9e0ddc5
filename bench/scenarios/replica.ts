import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type FigureReading, type FigureResult, toFigures } from "../figures.ts";

const PROCESS = join(import.meta.dirname, "replica-process.ts");
const PROCESS_TIMEOUT_MS = 600_000;
/** Each has a version and an alias: 600,000 and 1,000,000 records. */
const FUNCTIONS = [200_000, 333_334];

/** The zone's copy of the catalog: how soon it serves again, what it costs to keep, and how it catches up. */
export async function benchReplica({
  rounds,
  tell,
}: {
  readonly rounds: number;
  readonly tell: (what: string) => void;
}): Promise<FigureResult> {
  const folder = await mkdtemp(join(tmpdir(), "meridian-bench-replica-"));
  const readings: FigureReading[] = [];
  // A process for each reading, so that memory and CPU are its own.
  const read = async (what: string, ...argv: readonly string[]): Promise<void> => {
    tell(what);
    const { stdout } = await promisify(execFile)(process.execPath, [PROCESS, ...argv], {
      timeout: PROCESS_TIMEOUT_MS,
    });
    // The process is our own and prints readings.
    readings.push(...(JSON.parse(stdout) as readonly FigureReading[]));
  };
  try {
    for (const functions of FUNCTIONS) {
      const file = join(folder, `${functions}.sqlite`);
      await read(`filling ${functions} functions`, "fill", file, String(functions));
      for (let round = 1; round <= rounds; round += 1)
        await read(`restart ${round} of ${rounds}`, "restart", file, String(functions));
    }
    for (let round = 1; round <= rounds; round += 1) {
      const file = join(folder, `round-${round}.sqlite`);
      await read(`applying, round ${round} of ${rounds}`, "apply", file, "3000");
      await read(
        `catching up, round ${round} of ${rounds}`,
        "resume",
        join(folder, `away-${round}.sqlite`),
        "66667",
      );
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return {
    figures: toFigures(readings),
    peerIs: "upserts of the same records through node:sqlite alone",
  };
}
