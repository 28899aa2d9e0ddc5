import { createHash } from "node:crypto";
import { crc32, deflateRawSync } from "node:zlib";

/** An entry of a zip made by hand; what is not given is as an honest tool would write it. */
export interface HandmadeEntry {
  readonly name: string;
  readonly content: string | Uint8Array;
  readonly localName?: string;
  readonly unixMode?: number;
  readonly flags?: number;
  readonly method?: 0 | 8 | 99;
  readonly claimedBytes?: number;
  readonly checksum?: number;
  /** Begins where that entry begins, instead of getting bytes of its own. */
  readonly sharesBytesOf?: number;
}

export function zipOf(entries: readonly HandmadeEntry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  const offsets: number[] = [];
  let offset = 0;
  for (const entry of entries) {
    const content = Buffer.from(entry.content);
    const method = entry.method ?? 8;
    const packed = method === 8 ? deflateRawSync(content) : content;
    const header = { ...entry, method, content, packed, flags: entry.flags ?? 0x800 };
    const local = localHeader(header);
    const at = entry.sharesBytesOf === undefined ? offset : (offsets[entry.sharesBytesOf] ?? 0);
    offsets.push(at);
    directory.push(centralHeader(header, at));
    if (entry.sharesBytesOf !== undefined) continue;
    parts.push(local, packed);
    offset += local.length + packed.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

interface Header extends Omit<HandmadeEntry, "content" | "method" | "flags"> {
  readonly method: number;
  readonly flags: number;
  readonly content: Buffer;
  readonly packed: Buffer;
}

function localHeader(entry: Header): Buffer {
  const name = Buffer.from(entry.localName ?? entry.name);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  writeShared(header, 6, entry);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, name]);
}

function centralHeader(entry: Header, offset: number): Buffer {
  const name = Buffer.from(entry.name);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(0x0314, 4);
  header.writeUInt16LE(20, 6);
  writeShared(header, 8, entry);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt32LE(((entry.unixMode ?? 0o100_644) << 16) >>> 0, 38);
  header.writeUInt32LE(offset, 42);
  return Buffer.concat([header, name]);
}

/** Flags, method, checksum and sizes stand in both headers in the same order. */
function writeShared(header: Buffer, at: number, entry: Header): void {
  header.writeUInt16LE(entry.flags, at);
  header.writeUInt16LE(entry.method, at + 2);
  header.writeUInt32LE(entry.checksum ?? crc32(entry.content), at + 8);
  header.writeUInt32LE(entry.packed.length, at + 12);
  header.writeUInt32LE(entry.claimedBytes ?? entry.content.length, at + 16);
}
