import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Files under the folder that hold the text, as their names from there; a file that goes meanwhile holds nothing. */
export async function filesHolding(folder: string, text: string): Promise<string[]> {
  const holding: string[] = [];
  for await (const entry of glob("**/*", { cwd: folder, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    if (bytes.includes(text)) holding.push(path.slice(folder.length + 1));
  }
  return holding;
}
