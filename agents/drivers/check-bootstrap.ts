import { open, realpath } from "node:fs/promises";
import { join, posix } from "node:path";
import { BOOTSTRAP_FILE } from "#lib/contracts/function-manifest.ts";
import { EXECUTABLE_HEAD_BYTES, judgeExecutable } from "#lib/judge-executable.ts";
import { isProgramShown } from "../core/sandbox/sandbox-command.ts";
import { INSIDE } from "../core/sandbox/sandbox-view.ts";

/** Why this machine cannot run the code's `bootstrap`, told before the system says it in fewer words; undefined where it can. */
export async function bootstrapObstacle(
  codeDirectory: string,
  isSandboxed: boolean,
): Promise<string | undefined> {
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
    if (executable.kind === "script")
      return await interpreterObstacle(executable.interpreter, codeDirectory, isSandboxed);
    return undefined;
  } catch (error) {
    return `${BOOTSTRAP_FILE} cannot be read: ${String(error)}`;
  } finally {
    await file.close();
  }
}

/** Whether there is one is a matter of the machine, or of the code itself. */
async function interpreterObstacle(
  interpreter: string,
  codeDirectory: string,
  isSandboxed: boolean,
): Promise<string | undefined> {
  const wanted = `${BOOTSTRAP_FILE} asks for the interpreter ${interpreter}`;
  const ownPath = posix.relative(INSIDE.task, interpreter);
  const isOwn = isSandboxed && !ownPath.startsWith("..");
  const path = isOwn ? join(codeDirectory, ownPath) : interpreter;
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined)
    return `${wanted}, which is not on this cluster's machines; bring it along`;
  if (!isSandboxed || isOwn || (isProgramShown(interpreter) && isProgramShown(real)))
    return undefined;
  return `${wanted}, which instances do not see: they have what is in /usr, and the code itself in ${INSIDE.task}; bring it along`;
}
