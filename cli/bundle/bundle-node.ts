import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import {
  build,
  type BuildFailure,
  type BuildOptions,
  type BuildResult,
  type Message,
} from "esbuild";
import { MeridianError } from "#lib/errors.ts";
import type { HandlerFile } from "./find-handler.ts";

export interface NodeBundle {
  /** Relative to the root of the archive. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly warnings: readonly string[];
}

type ModuleFormat = "esm" | "cjs";

/** What CommonJS packages expect to be there, for bundles that are ES modules. */
const ESM_BANNER = [
  'import { createRequire as meridianCreateRequire } from "node:module";',
  'import { fileURLToPath as meridianFileUrlToPath } from "node:url";',
  'import { dirname as meridianDirname } from "node:path";',
  "const require = meridianCreateRequire(import.meta.url);",
  "const meridianFilename = meridianFileUrlToPath(import.meta.url);",
  "const meridianFolder = meridianDirname(meridianFilename);",
].join("\n");

/** The handler and everything it imports as one file of the same kind, under the name that `handler` resolves to. */
export async function bundleNode(folder: string, handler: HandlerFile): Promise<NodeBundle> {
  const entry = join(folder, handler.stem + handler.extension);
  const format = await moduleFormat(entry, handler.extension);
  const path = `${handler.stem}${format === "esm" ? ".mjs" : ".cjs"}`;
  const { outputFiles, metafile, warnings } = await run({
    absWorkingDir: folder,
    entryPoints: [entry],
    outfile: join(folder, path),
    bundle: true,
    format,
    ...(format === "esm"
      ? {
          banner: { js: ESM_BANNER },
          define: { __filename: "meridianFilename", __dirname: "meridianFolder" },
        }
      : {}),
  });
  const output = outputFiles[0];
  if (output === undefined) throw new Error(`the bundler made nothing of ${entry}`);
  const exported = Object.values(metafile.outputs)[0]?.exports ?? [];
  const { exportName } = handler;
  if (exportName !== undefined && format === "esm" && !exported.includes(exportName))
    throw new MeridianError(
      "MERIDIAN_HANDLER_MISSING",
      `${entry} does not export "${exportName}"; it exports ${exported.length === 0 ? "nothing" : exported.join(", ")}`,
    );
  return { path, bytes: output.contents, warnings: warnings.map(describeMessage) };
}

const COMMON = {
  platform: "node",
  target: "node22",
  charset: "utf8",
  write: false,
  metafile: true,
  logLevel: "silent",
} as const satisfies BuildOptions;

/** As Node itself tells the kinds apart: extension, then the nearest package.json, then the syntax. */
async function moduleFormat(entry: string, extension: string): Promise<ModuleFormat> {
  if (extension === ".mjs" || extension === ".mts") return "esm";
  if (extension === ".cjs" || extension === ".cts") return "cjs";
  const declared = declaredFormat(dirname(entry));
  if (declared !== undefined) return declared;
  const { metafile } = await run({ entryPoints: [entry], outfile: `${entry}.out` });
  return Object.values(metafile.inputs)[0]?.format === "esm" ? "esm" : "cjs";
}

function declaredFormat(folder: string): ModuleFormat | undefined {
  const file = join(folder, "package.json");
  if (existsSync(file)) {
    const { type } = JSON.parse(readFileSync(file, "utf8")) as { type?: unknown };
    return type === "module" ? "esm" : type === "commonjs" ? "cjs" : undefined;
  }
  const parent = resolve(folder, "..");
  return parent === folder ? undefined : declaredFormat(parent);
}

async function run(options: BuildOptions): Promise<BuildResult<typeof COMMON>> {
  try {
    return await build({ ...options, ...COMMON });
  } catch (cause) {
    if (!isBuildFailure(cause)) throw cause;
    const detail = cause.errors.slice(0, 5).map(describeMessage).join("; ");
    throw new MeridianError("MERIDIAN_CODE_INVALID", detail, { cause });
  }
}

const isBuildFailure = (thrown: unknown): thrown is BuildFailure =>
  thrown instanceof Error && "errors" in thrown && Array.isArray(thrown.errors);

const UNRESOLVED = /^Could not resolve "(.+)"$/;

function describeMessage({ text, location }: Message): string {
  const where = location === null ? "" : `${location.file}:${location.line}`;
  const [, name] = UNRESOLVED.exec(text) ?? [];
  if (name === undefined) return where === "" ? text : `${where}: ${text}`;
  const remedy = name.startsWith(".")
    ? "there is no such file"
    : `it is not installed; "npm install ${name}" beside the function would`;
  return `${where} imports "${name}", which leads nowhere: ${remedy}`;
}
