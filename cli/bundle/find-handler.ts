import { existsSync } from "node:fs";
import { join, normalize } from "node:path";
import type { SentManifest } from "#lib/contracts/function-manifest.ts";
import { MeridianError } from "#lib/errors.ts";

export interface HandlerFile {
  /** Relative to the folder, without extension: what stands before the last dot of `handler`. */
  readonly stem: string;
  readonly extension: string;
  readonly exportName: string;
}

const JAVASCRIPT = [".mjs", ".js", ".cjs"];
const TYPESCRIPT = [".mts", ".ts", ".cts"];

/** The file that `handler` names; TypeScript counts only where it is going to be bundled. */
export function findHandlerFile(
  folder: string,
  { handler, runtime }: SentManifest,
  isBundled: boolean,
): HandlerFile {
  const dot = handler.lastIndexOf(".");
  const stem = normalize(handler.slice(0, dot));
  if (stem.startsWith("..") || stem.startsWith("/"))
    throw new MeridianError(
      "MERIDIAN_MANIFEST_INVALID",
      `handler "${handler}" leads out of the function's folder`,
    );
  const extensions =
    runtime === "python" ? [".py"] : isBundled ? [...JAVASCRIPT, ...TYPESCRIPT] : JAVASCRIPT;
  const extension = extensions.find((candidate) => existsSync(join(folder, stem + candidate)));
  if (extension !== undefined) return { stem, extension, exportName: handler.slice(dot + 1) };
  throw new MeridianError(
    "MERIDIAN_HANDLER_MISSING",
    `${folder} has no file for the handler "${handler}": looked for ${extensions.map((candidate) => stem + candidate).join(", ")}`,
  );
}
