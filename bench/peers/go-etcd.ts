import { execFile, spawnSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const SOURCE = join(import.meta.dirname, "go-etcd");
const BUILD_LIMIT_MS = 180_000;
export const RANGE_RECORDS = 1_000;

export type MeasuredOperation = "put" | "compare-and-set" | "range" | "watch";

/** What a measuring process does. `fill` writes what is to be read; `stamp` writes what is to be watched, until it is ended. */
export interface CatalogPlan {
  readonly operation: MeasuredOperation | "fill" | "stamp";
  /** Of an etcd, or of the embedded catalog where there is a boot token. */
  readonly endpoint: string;
  readonly bootToken?: string;
  readonly keyPrefix: string;
  readonly seconds: number;
  readonly concurrency: number;
}

export interface CatalogReading {
  readonly operations: number;
  readonly elapsedSeconds: number;
  /** Of the measuring process alone. */
  readonly cpuMicros: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly errors: number;
}

export type GoEtcd =
  | { readonly kind: "built"; readonly measure: (plan: CatalogPlan) => Promise<CatalogReading> }
  | { readonly kind: "missing"; readonly reason: string };

/** etcd's own client, of the same release as the server, doing the same; built from source into the folder. */
export async function buildGoEtcd(folder: string): Promise<GoEtcd> {
  if (spawnSync("go", ["version"]).status !== 0)
    return { kind: "missing", reason: "Go is not installed" };
  const program = join(folder, "go-etcd");
  const run = promisify(execFile);
  try {
    await run("go", ["build", "-mod=readonly", "-o", program, "."], {
      cwd: SOURCE,
      timeout: BUILD_LIMIT_MS,
    });
  } catch (cause) {
    return { kind: "missing", reason: `the Go client could not be built: ${String(cause)}` };
  }
  return {
    kind: "built",
    measure: async ({ operation, endpoint, keyPrefix, seconds, concurrency }) => {
      const argv = [operation, endpoint, keyPrefix, String(seconds), String(concurrency)];
      // The program is our own and prints a reading.
      return JSON.parse((await run(program, argv)).stdout) as CatalogReading;
    },
  };
}
