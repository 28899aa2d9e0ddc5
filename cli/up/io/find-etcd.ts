import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { UsageError } from "../../failures.ts";
import { REPOSITORY } from "../../state-directory.ts";

/** Before these, watches could lose events at a compaction (etcd issues 17617 and 18089). */
const OLDEST: Readonly<Record<string, number>> = { "3.5": 16, "3.6": 0 };
const NEWEST_MINOR_CHECKED = 6;

/** The etcd program to run members with: `MERIDIAN_ETCD` names one, else the one that `npm run engines` built. */
export async function findEtcdProgram(environment: NodeJS.ProcessEnv): Promise<string> {
  const path = environment["MERIDIAN_ETCD"] ?? join(REPOSITORY, ".engines/bin/etcd");
  const isThere = await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!isThere)
    throw new UsageError(
      `there is no etcd at ${path}: \`npm run engines\` builds it (that takes Go), or MERIDIAN_ETCD names one of yours, or leave --catalog out`,
    );
  const printed = await promisify(execFile)(path, ["--version"], { timeout: 10_000 }).then(
    ({ stdout }) => stdout,
    (error: unknown) => String(error),
  );
  const [, series = "", minor = "0", patch = "0"] =
    /etcd Version: (3\.(\d+))\.(\d+)/.exec(printed) ?? [];
  const isNew = Number(minor) > NEWEST_MINOR_CHECKED;
  if (isNew || Number(patch) >= (OLDEST[series] ?? Number.POSITIVE_INFINITY)) return path;
  throw new UsageError(
    `${path} is no etcd of 3.5.16 or newer: ${printed.trim().split("\n")[0] ?? "it says nothing"}`,
  );
}
