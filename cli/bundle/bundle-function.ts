import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { SentManifest } from "#lib/contracts/function-manifest.ts";
import { UsageError } from "../failures.ts";
import { checkBootstrapEntry, checkBootstrapFile } from "./check-bootstrap.ts";
import { findHandlerFile } from "./find-handler.ts";
import { listFolder } from "./list-folder.ts";
import {
  completeManifest,
  MANIFEST_FILE,
  type ManifestPart,
  parseManifestText,
  readManifestFile,
} from "./read-manifest.ts";
import { readZipEntry } from "./read-zip-entry.ts";
import { checkZipSize, type ZipEntry, zipFiles } from "./zip-files.ts";

export interface BundledFunction {
  readonly manifest: SentManifest;
  readonly zip: Uint8Array;
  readonly digest: string;
  readonly warnings: readonly string[];
}

/**
 * What `deploy` sends. A zip is taken as it is; a folder with its own `node_modules`, or not for Node, is packed as it is; any other
 * Node function becomes one file with all it imports. The same input gives the same digest.
 */
export async function bundleFunction(
  source: string,
  flags: ManifestPart,
  options: { readonly mayBundle: boolean },
): Promise<BundledFunction> {
  const path = resolve(source);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new UsageError(`there is no ${path}`);
  if (found.isDirectory()) return fromFolder(path, flags, options.mayBundle);
  if (found.isFile() && path.endsWith(".zip")) return fromZip(path, found.size, flags);
  throw new UsageError(`${path} is neither a folder nor a .zip: deploy the folder it is in`);
}

const OWN_MODULES =
  "the folder has its own node_modules, so it is sent as it is, without bundling; Node reads its modules as its package.json says";

async function fromFolder(
  folder: string,
  flags: ManifestPart,
  mayBundle: boolean,
): Promise<BundledFunction> {
  const file = await readManifestFile(join(folder, MANIFEST_FILE));
  const manifest = completeManifest(basename(folder), file, flags);
  if (manifest.runtime === "provided") {
    await checkBootstrapFile(folder);
    return finish(manifest, await zipFiles(await readFolder(folder)), []);
  }
  const isBundleable = mayBundle && manifest.runtime === "node";
  const isBundled = isBundleable && !existsSync(join(folder, "node_modules"));
  const handler = findHandlerFile(folder, manifest, isBundled);
  if (!isBundled)
    return finish(
      manifest,
      await zipFiles(await readFolder(folder)),
      isBundleable ? [OWN_MODULES] : [],
    );
  // The bundler is loaded only where something is bundled: other commands start without it.
  const { bundleNode } = await import("./bundle-node.ts");
  const { path, bytes, warnings } = await bundleNode(folder, handler);
  // What is run is the bundle, whose name can differ from that of the file it was made of.
  const run = handler.exportName === undefined ? { ...manifest, handler: path } : manifest;
  return finish(run, await zipFiles([{ path, bytes, isExecutable: false }]), warnings);
}

async function readFolder(folder: string): Promise<ZipEntry[]> {
  const files = await listFolder(folder);
  const entries: ZipEntry[] = [];
  for (const { path, isExecutable } of files)
    entries.push({ path, isExecutable, bytes: await readFile(join(folder, path)) });
  return entries;
}

async function fromZip(path: string, bytes: number, flags: ManifestPart): Promise<BundledFunction> {
  checkZipSize(bytes);
  const zip = await readFile(path);
  const text = await readZipEntry(zip, MANIFEST_FILE, path);
  const file = text === undefined ? {} : parseManifestText(text, `${path}/${MANIFEST_FILE}`);
  const manifest = completeManifest(basename(path, ".zip"), file, flags);
  if (manifest.runtime === "provided") await checkBootstrapEntry(zip, path);
  return finish(manifest, zip, []);
}

const finish = (
  manifest: SentManifest,
  zip: Uint8Array,
  warnings: readonly string[],
): BundledFunction => ({
  manifest,
  zip,
  digest: `sha256:${createHash("sha256").update(zip).digest("hex")}`,
  warnings,
});
