/** What the directory of an archive says of one entry. */
export interface ArchiveEntry {
  readonly name: string;
  readonly localName: string;
  readonly isEncrypted: boolean;
  readonly compressionMethod: number;
  /** Type and permissions as Unix keeps them; 0 where the archive was not made on Unix. */
  readonly unixMode: number;
  readonly unpackedBytes: number;
  /** Where the entry begins and ends in the file, its local header included. */
  readonly startByte: number;
  readonly endByte: number;
}

export interface ArchiveLimits {
  readonly entriesMax: number;
  readonly unpackedBytesMax: number;
  /** Unpacked bytes for each packed one, over the whole archive. */
  readonly ratioMax: number;
  /** An archive that unpacks to less than this may have any ratio. */
  readonly ratioFreeBytes: number;
}

/** What common file systems take for one step of a path; and a whole path that leaves room for the folder above it. */
const STEP_BYTES_MAX = 255;
const PATH_BYTES_MAX = 1_024;

export const ARCHIVE_LIMITS: ArchiveLimits = {
  entriesMax: 20_000,
  unpackedBytesMax: 250 * 1024 * 1024,
  ratioMax: 100,
  ratioFreeBytes: 4 * 1024 * 1024,
};

const STORED = 0;
const DEFLATED = 8;
const FILE_TYPE_MASK = 0o170_000;
const PLAIN_TYPES: readonly number[] = [0, 0o100_000, 0o040_000];

/** The rule that the archive breaks, as a sentence that names the entry; null when it breaks none. */
export function judgeArchive(
  entries: readonly ArchiveEntry[],
  packedBytes: number,
  limits: ArchiveLimits = ARCHIVE_LIMITS,
): string | null {
  const tooMany = judgeEntryCount(entries.length, limits);
  if (tooMany !== null) return tooMany;
  for (const entry of entries) {
    const broken = judgeEntry(entry);
    if (broken !== null) return `${quoted(entry.name)}: ${broken}`;
  }
  const unpackedBytes = entries.reduce((sum, entry) => sum + entry.unpackedBytes, 0);
  return (
    judgePaths(entries) ?? judgeOverlap(entries) ?? judgeSize(unpackedBytes, packedBytes, limits)
  );
}

export function judgeEntryCount(count: number, limits: ArchiveLimits): string | null {
  return count > limits.entriesMax
    ? `it has ${count} entries; at most ${limits.entriesMax} are allowed`
    : null;
}

/** Judges bytes that the directory claims, and again those that really came out. */
export function judgeSize(
  unpackedBytes: number,
  packedBytes: number,
  limits: ArchiveLimits,
): string | null {
  if (unpackedBytes > limits.unpackedBytesMax)
    return `it unpacks to more than ${limits.unpackedBytesMax} bytes`;
  if (unpackedBytes > limits.ratioFreeBytes && unpackedBytes > packedBytes * limits.ratioMax)
    return `it unpacks to more than ${limits.ratioMax} times its size`;
  return null;
}

/** The entry's path below the folder it will be unpacked into: without `.` and empty steps. */
export const entryPath = (name: string): string =>
  name
    .split("/")
    .filter((step) => step !== "" && step !== ".")
    .join("/");

const isFolder = (entry: ArchiveEntry): boolean => entry.name.endsWith("/");

function judgeEntry(entry: ArchiveEntry): string | null {
  const { name } = entry;
  if (name === "") return "it has no name";
  if (name.includes("\0")) return "its name holds a NUL";
  if (name.includes("\\")) return "its name holds a backslash";
  if (name.startsWith("/") || /^[A-Za-z]:/.test(name)) return "its path is absolute";
  if (name.split("/").includes("..")) return "its path climbs out of the folder with `..`";
  if (utf8Bytes(name) > PATH_BYTES_MAX) return `its path has more than ${PATH_BYTES_MAX} bytes`;
  if (name.split("/").some((step) => utf8Bytes(step) > STEP_BYTES_MAX))
    return `a file or folder in its path has a name of more than ${STEP_BYTES_MAX} bytes`;
  if (entry.localName !== name)
    return `its own header names it ${quoted(entry.localName)}, so that tools would disagree`;
  if (entry.isEncrypted) return "it is encrypted";
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED)
    return `its compression method ${entry.compressionMethod} is neither stored nor deflate`;
  if (!PLAIN_TYPES.includes(entry.unixMode & FILE_TYPE_MASK))
    return "it is a link or a device; only files and folders are allowed";
  if (isFolder(entry) && entry.unpackedBytes > 0) return "it is a folder with content";
  return null;
}

const utf8Bytes = (text: string): number => Buffer.byteLength(text);

/** Two entries for one path, or a file where another entry needs a folder. */
function judgePaths(entries: readonly ArchiveEntry[]): string | null {
  const files = new Set<string>();
  for (const entry of entries) {
    if (isFolder(entry)) continue;
    const path = entryPath(entry.name);
    if (files.has(path)) return `${quoted(entry.name)}: it is there twice`;
    files.add(path);
  }
  for (const entry of entries) {
    const steps = entryPath(entry.name).split("/");
    const folders = isFolder(entry) ? steps.length : steps.length - 1;
    for (let length = 1; length <= folders; length++) {
      const folder = steps.slice(0, length).join("/");
      if (files.has(folder))
        return `${quoted(entry.name)}: its folder ${quoted(folder)} is a file in the same archive`;
    }
  }
  return null;
}

/** Entries that share bytes multiply on unpacking, as in the bomb 42.zip's successors. */
function judgeOverlap(entries: readonly ArchiveEntry[]): string | null {
  const inOrder = entries.toSorted((a, b) => a.startByte - b.startByte);
  let previousEnd = 0;
  for (const entry of inOrder) {
    if (entry.startByte < previousEnd) return `${quoted(entry.name)}: it overlaps another entry`;
    previousEnd = entry.endByte;
  }
  return null;
}

/** A name out of an archive, safe to print and not longer than needed to find it. */
export const quoted = (name: string): string => JSON.stringify(name.slice(0, 120));
