import type { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { IsolationReport } from "#lib/contracts/isolation.ts";
import { MeridianError } from "#lib/errors.ts";
import { describeLevel, isProved, requiredLevel } from "#lib/isolation.ts";

/** Why this agent does not start the version, whatever a table says: it has not proved what the version asks for. */
export function isolationShortfall(
  manifest: Pick<FunctionManifest, "name" | "minIsolation" | "network">,
  report: IsolationReport | undefined,
): MeridianError | undefined {
  const required = requiredLevel(manifest);
  if (isProved(required, report?.level)) return undefined;
  return new MeridianError(
    "MERIDIAN_ISOLATION_UNAVAILABLE",
    [
      `This cluster has proved ${describeLevel(report?.level)}, and ${manifest.name} asks for ${required}; the function was not started.`,
      ...(report?.notes.filter((note) => note.startsWith(`${required} `)) ?? []),
    ].join(" "),
  );
}
