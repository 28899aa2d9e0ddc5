import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

interface Hierarchy {
  readonly folder: string;
  readonly isFirstVersion: boolean;
}

/** The root of a node's pods, in every hierarchy of the kernel: several kubelets on one machine need one each. */
export async function makeGroups(name: string): Promise<void> {
  const all = await hierarchies();
  const first = all.filter(({ isFirstVersion }) => isFirstVersion);
  for (const { folder, isFirstVersion } of first.length > 0 ? first : all) {
    const group = join(folder, name);
    await mkdir(group, { recursive: true });
    if (!isFirstVersion || !existsSync(join(group, "cpuset.cpus"))) continue;
    // A new group may run on no processor before it is told on which.
    for (const file of ["cpuset.cpus", "cpuset.mems"])
      await writeFile(join(group, file), await readFile(join(folder, file), "utf8"));
  }
}

/** All that run in the groups: what containers started, whoever is their parent by now. */
export async function processesInGroups(name: string): Promise<readonly number[]> {
  const files = (await groupsNamed(name)).map((group) => join(group, "cgroup.procs"));
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  return [...new Set(texts.join("\n").split("\n").filter(Boolean).map(Number))];
}

/** From the leaves up; those in which something still runs stay. */
export async function removeGroups(name: string): Promise<void> {
  for (const group of await groupsNamed(name)) await rmdir(group).catch(() => undefined);
}

/** The deepest first. */
async function groupsNamed(name: string): Promise<readonly string[]> {
  const found: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
    if (entries === undefined) return;
    for (const entry of entries) if (entry.isDirectory()) await visit(join(folder, entry.name));
    found.push(folder);
  };
  for (const { folder } of await hierarchies()) await visit(join(folder, name));
  return found;
}

async function hierarchies(): Promise<readonly Hierarchy[]> {
  const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n");
  return mounts.flatMap((line) => {
    const [, folder = "", type] = line.split(" ");
    // Not those that somebody mounted for a root of their own.
    const isSystems = folder === "/sys/fs/cgroup" || dirname(folder) === "/sys/fs/cgroup";
    return isSystems && (type === "cgroup" || type === "cgroup2")
      ? [{ folder, isFirstVersion: type === "cgroup" }]
      : [];
  });
}
