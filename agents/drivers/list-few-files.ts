import { readdirSync } from "node:fs";
import { join } from "node:path";

/** The paths, from the folder on, of all files below it; undefined where they and their folders are more. Throws where one cannot be read. */
export function listFewFiles(folder: string, entriesMax: number): readonly string[] | undefined {
  const files: string[] = [];
  const folders = ["."];
  for (const inner of folders)
    for (const entry of readdirSync(join(folder, inner), { withFileTypes: true })) {
      const path = join(inner, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else files.push(path);
      if (files.length + folders.length > entriesMax) return undefined;
    }
  return files;
}
