import { setImmediate } from "node:timers/promises";
import { crc32, createInflateRaw, inflateRawSync } from "node:zlib";
import {
  type Entry,
  fromBufferPromise,
  getFileNameLowLevel,
  type LocalFileHeader,
  type ZipFile,
} from "yauzl";
import { MeridianError } from "#lib/errors.ts";
import {
  ARCHIVE_LIMITS,
  type ArchiveEntry,
  type ArchiveLimits,
  entryPath,
  judgeArchive,
  judgeEntryCount,
  judgeSize,
  quoted,
} from "../../core/code/judge-archive.ts";

const DEFLATED = 8;
/** Entries up to this size are inflated in one step, larger ones in pieces on another thread. */
const AT_ONCE_BYTES_MAX = 256 * 1024;
const PAUSE_EVERY_BYTES = 1024 * 1024;
/** What looking at an entry costs beside its bytes, so that many empty ones make pauses too. */
const BYTES_AN_ENTRY_COSTS = 4 * 1024;

/**
 * Reads a zip archive through, unpacking nothing to disk, and gives its files. Fails with MERIDIAN_CODE_INVALID, naming the
 * entry and the rule; sizes are counted from the bytes that come out, whatever the headers claim.
 */
export async function inspectArchive(
  bytes: Buffer,
  signal: AbortSignal,
  limits: ArchiveLimits = ARCHIVE_LIMITS,
): Promise<readonly string[]> {
  return await withArchive(bytes, async (zip) => {
    refuse(judgeEntryCount(zip.entryCount, limits));
    const directory: DirectoryEntry[] = [];
    for await (const raw of zip.eachEntry()) {
      signal.throwIfAborted();
      directory.push(toDirectoryEntry(raw, await zip.readLocalFileHeaderPromise(raw)));
    }
    const entries = directory.map(({ entry }) => entry);
    refuse(judgeArchive(entries, bytes.length, limits));
    await unpackAll(bytes, directory, limits, signal);
    return filesAmong(entries.map(({ name }) => name));
  });
}

/** The files of an archive that was inspected before; reads its directory alone. */
export async function listArchive(bytes: Buffer): Promise<readonly string[]> {
  return await withArchive(bytes, async (zip) => {
    const names: string[] = [];
    for await (const raw of zip.eachEntry()) names.push(nameOf(raw, raw.fileNameRaw));
    return filesAmong(names);
  });
}

interface DirectoryEntry {
  readonly entry: ArchiveEntry;
  readonly dataStartByte: number;
  readonly checksum: number;
}

async function withArchive<T>(bytes: Buffer, work: (zip: ZipFile) => Promise<T>): Promise<T> {
  const options = { decodeStrings: false, validateEntrySizes: false };
  const zip = await fromBufferPromise(bytes, options).catch(notAnArchive);
  // Whatever is wrong also rejects the read that met it; a listener keeps the event from ending the process.
  zip.on("error", () => {});
  return await work(zip).catch(notAnArchive);
}

// Strict: a backslash stays one, to be refused, where the library would make it a slash.
const nameOf = (raw: Entry, name: Buffer): string =>
  getFileNameLowLevel(raw.generalPurposeBitFlag, name, [], true);

const filesAmong = (names: readonly string[]): readonly string[] =>
  names.filter((name) => !name.endsWith("/")).map(entryPath);

const toDirectoryEntry = (raw: Entry, local: LocalFileHeader): DirectoryEntry => ({
  entry: {
    name: nameOf(raw, raw.fileNameRaw),
    localName: nameOf(raw, local.fileName),
    isEncrypted: raw.isEncrypted(),
    compressionMethod: raw.compressionMethod,
    unixMode: raw.externalFileAttributes >>> 16,
    unpackedBytes: raw.uncompressedSize,
    startByte: raw.relativeOffsetOfLocalHeader,
    endByte: local.fileDataStart + raw.compressedSize,
  },
  dataStartByte: local.fileDataStart,
  checksum: raw.crc32,
});

/** Inflates every entry into nothing; size and checksum must be the directory's. */
async function unpackAll(
  bytes: Buffer,
  directory: readonly DirectoryEntry[],
  limits: ArchiveLimits,
  signal: AbortSignal,
): Promise<void> {
  let unpackedBytes = 0;
  let sincePauseBytes = 0;
  for (const { entry, dataStartByte, checksum } of directory) {
    const packed = bytes.subarray(dataStartByte, entry.endByte);
    const unpacked = await unpack(packed, entry, (soFarBytes) =>
      refuse(judgeSize(unpackedBytes + soFarBytes, bytes.length, limits)),
    );
    const name = quoted(entry.name);
    if (unpacked.bytes !== entry.unpackedBytes)
      throw invalid(`${name}: it unpacks to fewer bytes than the directory says`);
    if (unpacked.checksum !== checksum) throw invalid(`${name}: its checksum is wrong`);
    unpackedBytes += unpacked.bytes;
    sincePauseBytes += unpacked.bytes + BYTES_AN_ENTRY_COSTS;
    if (sincePauseBytes < PAUSE_EVERY_BYTES) continue;
    // Others have their turn; what is inflated at once may not hold up the whole program.
    sincePauseBytes = 0;
    await setImmediate();
    signal.throwIfAborted();
  }
}

interface Unpacked {
  readonly bytes: number;
  readonly checksum: number;
}

async function unpack(
  packed: Buffer,
  entry: ArchiveEntry,
  check: (bytes: number) => void,
): Promise<Unpacked> {
  const tooMany = () =>
    invalid(`${quoted(entry.name)}: it unpacks to more bytes than the directory says`);
  if (entry.compressionMethod !== DEFLATED || entry.unpackedBytes <= AT_ONCE_BYTES_MAX) {
    const content = entry.compressionMethod === DEFLATED ? inflate(packed, entry, tooMany) : packed;
    if (content.length > entry.unpackedBytes) throw tooMany();
    check(content.length);
    return { bytes: content.length, checksum: crc32(content) };
  }
  let bytes = 0;
  let checksum = 0;
  for await (const chunk of inflateInPieces(packed)) {
    bytes += chunk.length;
    if (bytes > entry.unpackedBytes) throw tooMany();
    check(bytes);
    checksum = crc32(chunk, checksum);
  }
  return { bytes, checksum };
}

function inflate(packed: Buffer, entry: ArchiveEntry, tooMany: () => MeridianError): Buffer {
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, entry.unpackedBytes) });
  } catch (error) {
    if (error instanceof RangeError) throw tooMany();
    throw error;
  }
}

function inflateInPieces(packed: Buffer): AsyncIterable<Buffer> {
  const inflater = createInflateRaw();
  inflater.end(packed);
  return inflater;
}

function refuse(broken: string | null): void {
  if (broken !== null) throw invalid(broken);
}

const invalid = (rule: string, cause?: unknown): MeridianError =>
  new MeridianError(
    "MERIDIAN_CODE_INVALID",
    `The archive is refused: ${rule}. Send an ordinary zip file.`,
    { cause },
  );

/** What the zip and inflate libraries throw is a broken archive; what the system or a signal throws is not. */
function notAnArchive(error: unknown): never {
  if (error instanceof MeridianError) throw error;
  if (!(error instanceof Error) || error.name === "AbortError" || error.name === "TimeoutError")
    throw error;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code !== "" && !code.startsWith("Z_")) throw error;
  throw invalid(error.message, error);
}
