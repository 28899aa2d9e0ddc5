import { open } from "node:fs/promises";
import { join } from "node:path";
import { fromBufferPromise } from "yauzl";
import { BOOTSTRAP_FILE } from "#lib/contracts/function-manifest.ts";
import { MeridianError } from "#lib/errors.ts";
import { EXECUTABLE_HEAD_BYTES, judgeExecutable } from "#lib/judge-executable.ts";

/** Refuses a folder of the runtime `provided` without a program that Linux can run. */
export async function checkBootstrapFile(folder: string): Promise<void> {
  const path = join(folder, BOOTSTRAP_FILE);
  const file = await open(path, "r").catch(() => undefined);
  if (file === undefined) throw missing(folder);
  try {
    const head = Buffer.alloc(EXECUTABLE_HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, head.length, 0).catch(() => ({ bytesRead: 0 }));
    const { mode } = await file.stat();
    judge(path, mode, head.subarray(0, bytesRead), `chmod +x ${path}`);
  } finally {
    await file.close();
  }
}

/** The same for an archive; most tools keep the mode of files in it, and some do not. */
export async function checkBootstrapEntry(zip: Buffer, archive: string): Promise<void> {
  const file = await fromBufferPromise(zip);
  try {
    for await (const entry of file.eachEntry()) {
      if (entry.fileName !== BOOTSTRAP_FILE) continue;
      const head: Buffer[] = [];
      for await (const chunk of await file.openReadStreamPromise(entry)) {
        head.push(chunk as Buffer);
        if (Buffer.concat(head).length >= EXECUTABLE_HEAD_BYTES) break;
      }
      const mode = entry.externalFileAttributes >>> 16;
      const remedy = `"chmod +x ${BOOTSTRAP_FILE}" before it is packed, with a tool that keeps modes`;
      return judge(`${archive}/${BOOTSTRAP_FILE}`, mode, Buffer.concat(head), remedy);
    }
  } catch (cause) {
    if (cause instanceof MeridianError) throw cause;
    throw invalid(`${archive} cannot be read as a zip: ${String(cause)}`);
  } finally {
    file.close();
  }
  throw missing(archive);
}

function judge(path: string, mode: number, head: Buffer, remedy: string): void {
  const executable = judgeExecutable(head);
  if (executable.kind === "foreign") throw invalid(`${path} ${executable.reason}`);
  if ((mode & 0o111) === 0) throw invalid(`${path} is not executable: ${remedy}`);
}

const invalid = (detail: string): MeridianError =>
  new MeridianError("MERIDIAN_CODE_INVALID", detail);

const missing = (where: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_HANDLER_MISSING",
    `${where} has no file ${BOOTSTRAP_FILE} at its root: the runtime "provided" runs the program or script of that name`,
  );
