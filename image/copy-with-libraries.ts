import { copyFile, mkdir, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { runCommand } from "./run-command.ts";

/** The shared libraries that the programs are linked with, the loader included, to the same places below `root`. */
export async function copyWithLibraries(programs: readonly string[], root: string): Promise<void> {
  if (programs.length === 0) return;
  const printed = await runCommand("ldd", programs);
  const libraries = new Set([...printed.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path));
  for (const library of libraries) {
    // The folder's own name may be a link to the place where the rest of it is.
    const folder = join(root, await realpath(dirname(library)));
    await mkdir(folder, { recursive: true });
    await copyFile(await realpath(library), join(folder, basename(library)));
  }
}
