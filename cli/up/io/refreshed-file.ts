import { existsSync } from "node:fs";
import { oneAtATime } from "#lib/one-at-a-time.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";

export interface RefreshedFile {
  /** The content may have changed; it is composed and written soon, in one atomic step. */
  readonly refresh: () => void;
  readonly settled: () => Promise<void>;
}

/** A file that follows what `compose` says, mode 0600; changes that come faster than the disk are taken together. */
export function refreshedFile(
  path: string,
  compose: () => object,
  onFailure: (error: unknown) => void,
): RefreshedFile {
  let written: string | undefined;
  const writer = oneAtATime(async () => {
    const text = `${JSON.stringify(compose(), undefined, 2)}\n`;
    if (text === written && existsSync(path)) return;
    try {
      await writeAtomically(path, text);
      written = text;
    } catch (error) {
      onFailure(error);
    }
  });
  return { refresh: () => writer.offer(undefined), settled: writer.settled };
}
