import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { MeridianError } from "#lib/errors.ts";

const UNPACKED_BYTES_MAX = 250 * 1024 * 1024;
const FILES_MAX = 10_000;
/** What tools leave beside the code and no function needs. */
const LEFT_OUT = new Set([
  ".DS_Store",
  ".git",
  ".hg",
  ".meridian",
  ".mypy_cache",
  ".pytest_cache",
  ".svn",
  ".venv",
  "__pycache__",
]);
/** Links to the commands of packages; a function has no use for them. */
const PACKAGE_COMMANDS = /(^|\/)node_modules\/\.bin$/;

/** A file to pack, its path relative to the folder, with slashes. */
export interface FolderFile {
  readonly path: string;
  readonly isExecutable: boolean;
}

/** Every file below the folder by name; links and folders past the limits are refused as soon as they are met. */
export async function listFolder(folder: string): Promise<FolderFile[]> {
  const files: FolderFile[] = [];
  let bytes = 0;
  const visit = async (relative: string): Promise<void> => {
    for (const entry of await readdir(join(folder, relative), { withFileTypes: true })) {
      const path = relative === "" ? entry.name : `${relative}/${entry.name}`;
      if (LEFT_OUT.has(entry.name) || PACKAGE_COMMANDS.test(path)) continue;
      if (entry.isDirectory()) {
        await visit(path);
        continue;
      }
      if (!entry.isFile())
        throw new MeridianError(
          "MERIDIAN_CODE_INVALID",
          `${join(folder, path)} is ${entry.isSymbolicLink() ? "a symbolic link" : "not a plain file"}: only plain files can be deployed`,
        );
      const { size, mode } = await lstat(join(folder, path));
      bytes += size;
      files.push({ path, isExecutable: (mode & 0o100) !== 0 });
      if (bytes > UNPACKED_BYTES_MAX || files.length > FILES_MAX) throw tooLarge(folder);
    }
  };
  await visit("");
  return files.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

const tooLarge = (folder: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_CODE_TOO_LARGE",
    `${folder} holds more than ${UNPACKED_BYTES_MAX / 1024 / 1024} MiB or ${FILES_MAX} files: is it the right folder?`,
  );
