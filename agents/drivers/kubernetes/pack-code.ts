import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

const PACKED_MAX = 256;

/** The files of a function as they go to a pod: all that is in the folder, in the order of their paths. */
export interface PackedCode {
  /** Of the list of files and what is in them. */
  readonly digest: string;
  readonly files: readonly PackedFile[];
  readonly contents: () => AsyncGenerator<Buffer>;
}

interface PackedFile {
  readonly path: string;
  readonly mode: number;
  readonly bytes: number;
}

/** Folders of code never change; the digest of each is worked out once. */
export function codePacker(): (codeDirectory: string) => Promise<PackedCode> {
  const packed = new Map<string, Promise<PackedCode>>();
  return (codeDirectory) => {
    const known = packed.get(codeDirectory);
    if (known !== undefined) return known;
    const [oldest] = packed.keys();
    if (packed.size >= PACKED_MAX && oldest !== undefined) packed.delete(oldest);
    const packing = packCode(codeDirectory);
    packed.set(codeDirectory, packing);
    packing.catch(() => packed.delete(codeDirectory));
    return packing;
  };
}

async function packCode(folder: string): Promise<PackedCode> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
  const files = await Promise.all(
    paths.map(async (path) => {
      const { mode, size } = await stat(join(folder, path));
      return { path, mode: mode & 0o777, bytes: size };
    }),
  );
  const contents = async function* (): AsyncGenerator<Buffer> {
    for (const { path } of files)
      for await (const chunk of createReadStream(join(folder, path)))
        if (Buffer.isBuffer(chunk)) yield chunk;
  };
  const hash = createHash("sha256").update(JSON.stringify(files));
  for await (const chunk of contents()) hash.update(chunk);
  return { digest: `sha256:${hash.digest("hex")}`, files, contents };
}
