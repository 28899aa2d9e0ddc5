import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";
import { type Entry, getFileNameLowLevel, openPromise, type ZipFile } from "yauzl";
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
} from "../core/judge-archive.ts";

const DEFLATED = 8;

/**
 * Reads a zip archive through, unpacking nothing to disk, and gives its files. Fails with MERIDIAN_CODE_INVALID, naming the
 * entry and the rule; sizes are counted from the bytes that come out, whatever the headers claim.
 */
export async function inspectArchive(
  path: string,
  signal: AbortSignal,
  limits: ArchiveLimits = ARCHIVE_LIMITS,
): Promise<readonly string[]> {
  return await withArchive(path, async (zip) => {
    refuse(judgeEntryCount(zip.entryCount, limits));
    const directory = await readDirectory(zip, signal);
    refuse(
      judgeArchive(
        directory.map(({ entry }) => entry),
        zip.fileSize,
        limits,
      ),
    );
    let unpackedBytes = 0;
    for (const { entry, raw } of directory) {
      if (raw.compressedSize === 0 && raw.uncompressedSize === 0) continue;
      unpackedBytes += await unpack(zip, raw, entry.name, (bytes) => {
        refuse(judgeSize(unpackedBytes + bytes, zip.fileSize, limits));
        signal.throwIfAborted();
      });
    }
    return filesOf(directory);
  });
}

/** The files of an archive that was inspected before; reads its directory alone. */
export async function listArchive(path: string, signal: AbortSignal): Promise<readonly string[]> {
  return await withArchive(path, async (zip) => filesOf(await readDirectory(zip, signal)));
}

interface DirectoryEntry {
  readonly entry: ArchiveEntry;
  readonly raw: Entry;
}

async function withArchive<T>(path: string, work: (zip: ZipFile) => Promise<T>): Promise<T> {
  const zip = await openPromise(path, {
    autoClose: false,
    decodeStrings: false,
    validateEntrySizes: false,
  }).catch(notAnArchive);
  // Whatever is wrong also rejects the read that met it; a listener keeps the event from ending the process.
  zip.on("error", () => {});
  try {
    return await work(zip).catch(notAnArchive);
  } finally {
    zip.close();
  }
}

async function readDirectory(zip: ZipFile, signal: AbortSignal): Promise<DirectoryEntry[]> {
  const directory: DirectoryEntry[] = [];
  for await (const raw of zip.eachEntry()) {
    signal.throwIfAborted();
    const local = await zip.readLocalFileHeaderPromise(raw);
    const flags = raw.generalPurposeBitFlag;
    // Strict: a backslash stays one, to be refused, where the library would make it a slash.
    const nameOf = (bytes: Buffer) => getFileNameLowLevel(flags, bytes, [], true);
    directory.push({
      raw,
      entry: {
        name: nameOf(raw.fileNameRaw),
        localName: nameOf(local.fileName),
        isEncrypted: raw.isEncrypted(),
        compressionMethod: raw.compressionMethod,
        unixMode: raw.externalFileAttributes >>> 16,
        unpackedBytes: raw.uncompressedSize,
        startByte: raw.relativeOffsetOfLocalHeader,
        endByte: local.fileDataStart + raw.compressedSize,
      },
    });
  }
  return directory;
}

const filesOf = (directory: readonly DirectoryEntry[]): readonly string[] =>
  directory
    .filter(({ entry }) => !entry.name.endsWith("/"))
    .map(({ entry }) => entryPath(entry.name));

/** Inflates one entry into nothing; size and checksum must be the directory's. `check` throws when it is too much. */
async function unpack(
  zip: ZipFile,
  raw: Entry,
  name: string,
  check: (bytes: number) => void,
): Promise<number> {
  let bytes = 0;
  let checksum = 0;
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      bytes += chunk.length;
      checksum = crc32(chunk, checksum);
      try {
        if (bytes > raw.uncompressedSize)
          throw invalid(`${quoted(name)}: it unpacks to more bytes than the directory says`);
        check(bytes);
        done();
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
  });
  const packed = await zip.openReadStreamPromise(raw, { decodeFileData: false });
  if (raw.compressionMethod === DEFLATED) await pipeline(packed, createInflateRaw(), sink);
  else await pipeline(packed, sink);
  if (bytes !== raw.uncompressedSize)
    throw invalid(`${quoted(name)}: it unpacks to fewer bytes than the directory says`);
  if (checksum !== raw.crc32) throw invalid(`${quoted(name)}: its checksum is wrong`);
  return bytes;
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
