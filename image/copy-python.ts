import { existsSync } from "node:fs";
import { copyFile, cp, readdir, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { copyWithLibraries } from "./copy-with-libraries.ts";
import { runCommand } from "./run-command.ts";

const SYSTEMS_PYTHON = "/usr/bin/python3";
/** Of the standard library, what no function needs and much of it is. */
const LEFT_OUT = /^(?:test|idlelib|tkinter|turtledemo|lib2to3|ensurepip|config-.*)$/;

/** The system's Python with its standard library, so that functions in Python run in the image; says which. */
export async function copyPython(root: string): Promise<string> {
  if (!existsSync(SYSTEMS_PYTHON)) return "without Python";
  const ask =
    "import os, sys, sysconfig; print(os.path.realpath(sys.executable), sysconfig.get_path('stdlib'))";
  const printed = await runCommand(SYSTEMS_PYTHON, ["-c", ask]);
  const [program = "", library = ""] = printed.trim().split(" ");
  await copyFile(program, join(root, program));
  if (program !== SYSTEMS_PYTHON) await symlink(basename(program), join(root, SYSTEMS_PYTHON));
  await cp(library, join(root, library), {
    recursive: true,
    filter: (source) => source === library || !LEFT_OUT.test(basename(source)),
  });
  const extensions = join(library, "lib-dynload");
  const names = await readdir(extensions).catch(() => []);
  await copyWithLibraries([program, ...names.map((name) => join(extensions, name))], root);
  return `with ${basename(program)}`;
}
