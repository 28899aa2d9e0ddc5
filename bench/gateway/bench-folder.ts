import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import { publishEndpoint } from "#lib/io/run-directory.ts";
import { tableFile } from "#lib/io/table-file.ts";
import { encodeEntry, tableDigest } from "#lib/table-digest.ts";

/** The folders of programs that are started without `meridian up`: a run directory, a boot token, a state folder for each. */
export interface BenchFolder {
  readonly path: string;
  readonly runDirectory: string;
  readonly bootToken: string;
  readonly bootTokenFile: string;
  /** The state folder of a program, with the table that it serves from until a federator answers, and none ever does. */
  readonly stateWith: (program: string, entries: readonly RouteEntry[]) => Promise<string>;
  /** As if an agent of the zone listened there. */
  readonly publishAgent: (zone: string, url: string, pid: number) => Promise<void>;
  readonly remove: () => Promise<void>;
}

export async function makeBenchFolder(): Promise<BenchFolder> {
  const path = await mkdtemp(join(tmpdir(), "meridian-bench-"));
  const runDirectory = join(path, "run");
  const bootToken = randomBytes(16).toString("hex");
  const bootTokenFile = join(path, "boot-token");
  await mkdir(runDirectory, { mode: 0o700 });
  await writeFile(bootTokenFile, `${bootToken}\n`, { mode: 0o600 });
  return {
    path,
    runDirectory,
    bootToken,
    bootTokenFile,
    stateWith: async (program, entries) => {
      const state = join(path, "state", program);
      await mkdir(state, { recursive: true, mode: 0o700 });
      const file = tableFile(join(state, "route-table.json"), pino({ level: "silent" }));
      const position = { incarnation: "bench", revision: 1 };
      await file.save({ position, digest: tableDigest(entries) }, entries.map(encodeEntry));
      return state;
    },
    publishAgent: (zone, url, pid) =>
      publishEndpoint(runDirectory, {
        program: "agent",
        zone,
        pid,
        bootId: randomBytes(8).toString("hex"),
        urls: { internal: url, admin: url },
      }),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}
