import { chmod, cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { copyWithLibraries } from "./copy-with-libraries.ts";
import { copyPython } from "./copy-python.ts";
import { runCommand } from "./run-command.ts";

/** What programs are made of; tests, benchmarks and documents are for those who have the repository. */
const OWN_PARTS = [
  "agents",
  "catalog",
  "chaos",
  "cli",
  "examples",
  "federator",
  "gateway",
  "lib",
  "package.json",
  "LICENSE",
  "NOTICE",
];
/** Nobody's number on the machines where it runs. */
export const IMAGE_USER = "65532:65532";
/** Below the program's folder; the one that Meridian's own command uses. */
export const COMPILE_CACHE = "node_modules/.cache/meridian";
const ROOT_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";

const InstalledPackages = Type.Object({
  packages: Type.Record(
    Type.String(),
    Type.Object({
      dev: Type.Optional(Type.Boolean()),
      devOptional: Type.Optional(Type.Boolean()),
      link: Type.Optional(Type.Boolean()),
    }),
  ),
});

interface RootPlan {
  readonly root: string;
  readonly repository: string;
  readonly programFolder: string;
}

/** The file system of the image, below `files`; says which Python is in it. */
export async function fillRoot({ root, repository, programFolder }: RootPlan): Promise<string> {
  const files = join(root, "files");
  await makeSkeleton(files);
  const program = join(files, programFolder);
  for (const part of OWN_PARTS)
    await cp(join(repository, part), join(program, part), { recursive: true });
  await copyPackages(repository, program);
  await copyWithLibraries([process.execPath], files);
  await cp(process.execPath, join(files, "usr/local/bin/node"));
  await primeCompileCache(files, programFolder);
  return copyPython(files);
}

async function makeSkeleton(files: string): Promise<void> {
  for (const folder of ["etc/ssl/certs", "usr/bin", "usr/lib", "usr/lib64", "usr/local/bin", "tmp"])
    await mkdir(join(files, folder), { recursive: true });
  // As today's systems have it: programs were linked to find their loader and libraries in either place.
  for (const folder of ["bin", "lib", "lib64"]) await symlink(`usr/${folder}`, join(files, folder));
  await chmod(join(files, "tmp"), 0o1777);
  await writeFile(
    join(files, "etc/passwd"),
    "root:x:0:0::/:/nonexistent\nmeridian:x:65532:65532::/var/lib/meridian:/nonexistent\n",
  );
  await writeFile(join(files, "etc/group"), "root:x:0:\nmeridian:x:65532:\n");
  await writeFile(join(files, "etc/nsswitch.conf"), "hosts: files dns\n");
  const certificates = await readFile(ROOT_CERTIFICATES).catch(() => undefined);
  if (certificates !== undefined) await writeFile(join(files, ROOT_CERTIFICATES), certificates);
}

/** Those that are installed and not for development alone, as npm's own record of the folder tells. */
async function copyPackages(repository: string, program: string): Promise<void> {
  const record = join("node_modules", ".package-lock.json");
  const text = await readFile(join(repository, record), "utf8");
  const { packages } = Value.Parse(InstalledPackages, JSON.parse(text));
  for (const [path, { dev, devOptional, link }] of Object.entries(packages)) {
    const isWanted = path.startsWith("node_modules/") && !dev && !devOptional && !link;
    // Node is in the image once, where its PATH leads.
    if (isWanted && !/^node_modules\/node(\/|$)/.test(path))
      await cp(join(repository, path), join(program, path), {
        recursive: true,
        filter: (source) => isRun(source.slice(join(repository, path).length)),
      });
  }
}

/**
 * Programs start quicker where Node finds their compiled code: each is loaded once, in the place and as the user of the image, as
 * both belong to what the code is kept by.
 */
async function primeCompileCache(files: string, programFolder: string): Promise<void> {
  const cache = join(files, programFolder, COMPILE_CACHE);
  await mkdir(cache, { recursive: true });
  await chmod(cache, 0o777);
  const user = `--userspec=${IMAGE_USER}`;
  const prime = ["/usr/local/bin/node", join(programFolder, "cli/prime-compile-cache.ts")];
  await runCommand("chroot", [user, files, ...prime]);
  // Whatever the caller's mask: the image's user reads all of it, and writes none.
  await runCommand("chmod", ["-R", "u=rwX,go=rX", join(files, programFolder)]);
}

/** What a package only tells compilers and debuggers stays behind, and so do packages inside it, which are listed themselves. */
const isRun = (path: string): boolean =>
  !path.includes("/node_modules") && !/\.(?:d\.[cm]?ts|map)$/.test(path);
