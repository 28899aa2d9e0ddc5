import { open } from "node:fs/promises";
import { join } from "node:path";
import { BOOTSTRAP_FILE } from "#lib/contracts/function-manifest.ts";
import { EXECUTABLE_HEAD_BYTES, judgeExecutable } from "#lib/judge-executable.ts";

/** Why this machine cannot run the code's `bootstrap`, told before the system says it in fewer words; undefined where it can. */
export async function bootstrapObstacle(codeDirectory: string): Promise<string | undefined> {
  const file = await open(join(codeDirectory, BOOTSTRAP_FILE), "r").catch(() => undefined);
  if (file === undefined) return `the code has no file ${BOOTSTRAP_FILE} at its root`;
  try {
    const head = Buffer.alloc(EXECUTABLE_HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    const executable = judgeExecutable(head.subarray(0, bytesRead));
    if (executable.kind === "foreign") return `${BOOTSTRAP_FILE} ${executable.reason}`;
    if (executable.kind === "program" && executable.architecture !== process.arch)
      return `${BOOTSTRAP_FILE} is a program for ${executable.architecture}, and this cluster's machines are ${process.arch}`;
    if (((await file.stat()).mode & 0o111) === 0)
      return `${BOOTSTRAP_FILE} is not executable: "chmod +x ${BOOTSTRAP_FILE}", and deploy it again`;
    return undefined;
  } catch (error) {
    return `${BOOTSTRAP_FILE} cannot be read: ${String(error)}`;
  } finally {
    await file.close();
  }
}
