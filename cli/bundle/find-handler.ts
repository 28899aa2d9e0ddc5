import { existsSync } from "node:fs";
import { extname, join, normalize } from "node:path";
import type { SentManifest } from "#lib/contracts/function-manifest.ts";
import { MeridianError } from "#lib/errors.ts";
import { isFileAndExport } from "#lib/handler-name.ts";

export interface HandlerFile {
  /** Relative to the folder, without extension: what stands before the last dot of `handler`. */
  readonly stem: string;
  readonly extension: string;
  /** Undefined where the file itself is run. */
  readonly exportName: string | undefined;
}

const JAVASCRIPT = [".mjs", ".js", ".cjs"];
const TYPESCRIPT = [".mts", ".ts", ".cts"];

/** The file that `handler` names; TypeScript counts only where it is going to be bundled. */
export function findHandlerFile(
  folder: string,
  manifest: SentManifest,
  isBundled: boolean,
): HandlerFile {
  if (manifest.interface === "http") return findProgramFile(folder, manifest, isBundled);
  const { handler, runtime } = manifest;
  if (!isFileAndExport(handler))
    throw new MeridianError(
      "MERIDIAN_MANIFEST_INVALID",
      `handler "${handler}" is not of the form file.export, such as index.handler`,
    );
  const dot = handler.lastIndexOf(".");
  const stem = stemOf(handler, dot);
  const extensions = extensionsOf(runtime, isBundled);
  const extension = extensions.find((candidate) => existsSync(join(folder, stem + candidate)));
  if (extension !== undefined) return { stem, extension, exportName: handler.slice(dot + 1) };
  throw new MeridianError(
    "MERIDIAN_HANDLER_MISSING",
    `${folder} has no file for the handler "${handler}": looked for ${extensions.map((candidate) => stem + candidate).join(", ")}`,
  );
}

/** A server's file, which `handler` names with its extension. */
function findProgramFile(
  folder: string,
  { handler, runtime }: SentManifest,
  isBundled: boolean,
): HandlerFile {
  const extension = extname(handler);
  const extensions = extensionsOf(runtime, isBundled);
  if (!extensions.includes(extension))
    throw new MeridianError(
      "MERIDIAN_MANIFEST_INVALID",
      `handler "${handler}" names no file that can be run as a server: with "interface": "http" it is one that ends in ${extensions.join(", ")}`,
    );
  const stem = stemOf(handler, handler.length - extension.length);
  if (existsSync(join(folder, stem + extension))) return { stem, extension, exportName: undefined };
  throw new MeridianError("MERIDIAN_HANDLER_MISSING", `${folder} has no file ${handler}`);
}

function stemOf(handler: string, dot: number): string {
  const stem = normalize(handler.slice(0, dot));
  if (!stem.startsWith("..") && !stem.startsWith("/")) return stem;
  throw new MeridianError(
    "MERIDIAN_MANIFEST_INVALID",
    `handler "${handler}" leads out of the function's folder`,
  );
}

function extensionsOf(runtime: SentManifest["runtime"], isBundled: boolean): readonly string[] {
  if (runtime === "python") return [".py"];
  return isBundled ? [...JAVASCRIPT, ...TYPESCRIPT] : JAVASCRIPT;
}
