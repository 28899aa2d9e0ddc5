import { createWriteStream } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Entry, openPromise, type ZipFile } from "yauzl";

const ENTRIES_MAX = 20_000;
const UNPACKED_BYTES_MAX = 250 * 1_048_576;
const FILE_TYPE_MASK = 0o170_000;
const PLAIN_TYPES: readonly number[] = [0, 0o100_000, 0o040_000];

/**
 * Unpacks a zip archive into a new folder, synced to disk, and gives its size in bytes. The archive was judged when it was
 * deployed and is judged again: no path outside, no links, no devices, no entry twice, no more than it says.
 */
export async function unpackCode(archive: string, folder: string): Promise<number> {
  const zip = await openPromise(archive, { autoClose: false, strictFileNames: true });
  zip.on("error", () => undefined);
  try {
    if (zip.entryCount > ENTRIES_MAX) throw new Error(`it has ${zip.entryCount} entries`);
    const folders = new Set([folder]);
    await mkdir(folder, { mode: 0o755 });
    let unpackedBytes = 0;
    for await (const entry of zip.eachEntry()) {
      // The reader has refused absolute paths, `..` and backslashes by now.
      checkKind(entry);
      const path = join(folder, entry.fileName);
      const isFolder = entry.fileName.endsWith("/");
      const parent = isFolder ? path : dirname(path);
      if (!folders.has(parent)) await mkdir(parent, { recursive: true, mode: 0o755 });
      folders.add(parent);
      if (isFolder) continue;
      unpackedBytes += entry.uncompressedSize;
      if (unpackedBytes > UNPACKED_BYTES_MAX)
        throw new Error(`it unpacks to more than ${UNPACKED_BYTES_MAX} bytes`);
      await unpackFile(zip, entry, path);
    }
    for (const path of folders) await sync(path);
    return unpackedBytes;
  } finally {
    zip.close();
  }
}

function checkKind(entry: Entry): void {
  const mode = entry.externalFileAttributes >>> 16;
  if (!PLAIN_TYPES.includes(mode & FILE_TYPE_MASK))
    throw new Error(`${entry.fileName} is a link or a device`);
  if (entry.isEncrypted()) throw new Error(`${entry.fileName} is encrypted`);
}

async function unpackFile(zip: ZipFile, entry: Entry, path: string): Promise<void> {
  const isExecutable = ((entry.externalFileAttributes >>> 16) & 0o111) !== 0;
  let bytes = 0;
  const measure = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      bytes += chunk.length;
      const isTooMuch = bytes > entry.uncompressedSize;
      done(isTooMuch ? new Error(`${entry.fileName} is larger than it says`) : null, chunk);
    },
  });
  const packed = await zip.openReadStreamPromise(entry);
  // Nothing may be awaited between the file and the pipeline: until then nobody would hear that it cannot be opened.
  // A path that is there already fails: an entry never replaces another. Nobody is to write to it again.
  const file = createWriteStream(path, {
    flags: "wx",
    mode: isExecutable ? 0o555 : 0o444,
    flush: true,
  });
  await pipeline(packed, measure, file);
}

async function sync(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
