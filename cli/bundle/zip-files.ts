import { buffer } from "node:stream/consumers";
import { ZipFile } from "yazl";
import { MeridianError } from "#lib/errors.ts";

const ZIP_BYTES_MAX = 50 * 1024 * 1024;
/** One time for all files, in local time as the format has it: the same files give the same bytes anywhere, at any time. */
const FIXED_TIME = new Date(2000, 0, 1);

export interface ZipEntry {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly isExecutable: boolean;
}

/** The entries as a zip, in the order given. */
export async function zipFiles(entries: readonly ZipEntry[]): Promise<Uint8Array> {
  const zip = new ZipFile();
  for (const { path, bytes, isExecutable } of entries)
    zip.addBuffer(Buffer.from(bytes), path, {
      mtime: FIXED_TIME,
      forceDosTimestamp: true,
      mode: isExecutable ? 0o100755 : 0o100644,
    });
  zip.end();
  const bytes = await buffer(zip.outputStream);
  checkZipSize(bytes.byteLength);
  return bytes;
}

/** Refuses what no federation would take. */
export function checkZipSize(bytes: number): void {
  if (bytes <= ZIP_BYTES_MAX) return;
  throw new MeridianError(
    "MERIDIAN_CODE_TOO_LARGE",
    `the code is ${Math.ceil(bytes / 1024 / 1024)} MiB as a zip; at most ${ZIP_BYTES_MAX / 1024 / 1024} MiB can be deployed`,
  );
}
