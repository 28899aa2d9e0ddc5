import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { Value } from "typebox/value";
import { ZipFile } from "yazl";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";

export interface PackedFunction {
  readonly zip: Uint8Array;
  readonly digest: string;
}

const MANIFEST_FILE = "meridian.json";
/** The same files make the same archive. */
const WRITTEN_AT = new Date("2000-01-01T00:00:00Z");

/** The folder's files as the archive that a deploy sends; the function has no dependencies, so nothing is bundled. */
export async function packFunction(folder: string): Promise<PackedFunction> {
  const zipFile = new ZipFile();
  const names = (await readdir(folder)).toSorted();
  for (const name of names.filter((name) => name !== MANIFEST_FILE))
    zipFile.addBuffer(await readFile(join(folder, name)), name, { mtime: WRITTEN_AT });
  zipFile.end();
  const zip = await buffer(zipFile.outputStream);
  return { zip, digest: `sha256:${createHash("sha256").update(zip).digest("hex")}` };
}

/** The folder's manifest with what a run changes in it. */
export async function readManifest(
  folder: string,
  changes: Partial<FunctionManifest>,
): Promise<FunctionManifest> {
  const own: unknown = JSON.parse(await readFile(join(folder, MANIFEST_FILE), "utf8"));
  const manifest: unknown = Value.Default(FunctionManifest, { ...(own as object), ...changes });
  if (!Value.Check(FunctionManifest, manifest))
    throw new Error(`${join(folder, MANIFEST_FILE)} is not a function manifest`);
  return manifest;
}
