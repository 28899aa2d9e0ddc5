import { text } from "node:stream/consumers";
import { fromBufferPromise } from "yauzl";
import { MeridianError } from "#lib/errors.ts";

const ENTRY_BYTES_MAX = 1024 * 1024;

/** The text of one entry; undefined when the archive does not have it. */
export async function readZipEntry(
  zip: Buffer,
  name: string,
  archive: string,
): Promise<string | undefined> {
  try {
    const file = await fromBufferPromise(zip);
    for await (const entry of file.eachEntry()) {
      if (entry.fileName !== name) continue;
      if (entry.uncompressedSize > ENTRY_BYTES_MAX) throw new Error(`${name} is too large`);
      return await text(await file.openReadStreamPromise(entry));
    }
    return undefined;
  } catch (cause) {
    throw new MeridianError(
      "MERIDIAN_CODE_INVALID",
      `${archive} cannot be read as a zip: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}
