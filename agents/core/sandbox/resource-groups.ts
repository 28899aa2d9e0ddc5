/*
 * The kernel's own limits: control groups, of version 1 with a folder for each kind of limit, or of version 2 with one for all. An
 * instance's group lies beside its agent's processes, so that however many processes it has, they get as much of a busy machine as one.
 */

/** A folder in which groups are made, and what can be limited in it. */
export interface GroupParent {
  readonly directory: string;
  readonly version: 1 | 2;
  readonly controllers: readonly Controller[];
}

export type Controller = "memory" | "pids" | "cpu";

export interface ResourceLimits {
  readonly memoryBytes: number;
  /** Threads count. */
  readonly processesMax: number;
}

/** A group to make: the files written into it in this order, and the one that counts processes ended for want of memory. */
export interface ResourceGroup {
  readonly directory: string;
  readonly files: readonly (readonly [name: string, value: string])[];
  readonly outOfMemoryCounts?: string;
}

const CONTROLLERS: readonly Controller[] = ["memory", "pids", "cpu"];

/** Where groups may be possible, from the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`; best first for each controller. */
export function groupParents(ownGroups: string, mountTable: string): readonly GroupParent[] {
  const own = readOwnGroups(ownGroups);
  const mounts = readMounts(mountTable);
  const parents: GroupParent[] = [];
  for (const controller of CONTROLLERS) {
    const mount = mounts.find(({ names }) => names.includes(controller));
    const path = own.get(controller);
    if (mount === undefined || path === undefined) continue;
    const directory = below(mount, path);
    parents.push({ directory, version: 1, controllers: [controller] });
  }
  const unified = mounts.find(({ isUnified }) => isUnified);
  if (parents.length > 0 || unified === undefined) return parents;
  // A group with processes of its own can have no limited groups in it, unless it is the root.
  return [...new Set([below(unified, own.get("") ?? "/"), unified.directory])].map((directory) => ({
    directory,
    version: 2,
    controllers: CONTROLLERS,
  }));
}

/** The groups of one instance. */
export function instanceGroups(
  parents: readonly GroupParent[],
  name: string,
  limits: ResourceLimits,
): readonly ResourceGroup[] {
  return parents.map(({ directory, version, controllers }) => {
    const files = controllers.flatMap((controller) => limitFiles(controller, version, limits));
    const counts = version === 1 ? "memory.oom_control" : "memory.events";
    return {
      directory: `${directory}/${name}`,
      files,
      ...(controllers.includes("memory") ? { outOfMemoryCounts: counts } : {}),
    };
  });
}

/** How often something was ended, in the text of such a file. */
export const outOfMemoryKills = (counts: string): number =>
  Number(/^oom_kill (\d+)$/m.exec(counts)?.[1] ?? 0);

function limitFiles(
  controller: Controller,
  version: 1 | 2,
  { memoryBytes, processesMax }: ResourceLimits,
): readonly (readonly [string, string])[] {
  switch (controller) {
    case "memory":
      return [[version === 1 ? "memory.limit_in_bytes" : "memory.max", String(memoryBytes)]];
    case "pids":
      return [["pids.max", String(processesMax)]];
    case "cpu":
      // The weight of one process.
      return version === 1 ? [["cpu.shares", "1024"]] : [["cpu.weight", "100"]];
  }
}

interface GroupMount {
  readonly directory: string;
  /** Which part of the hierarchy is mounted there. */
  readonly root: string;
  readonly names: readonly string[];
  readonly isUnified: boolean;
}

/** `4:memory:/path`, and `0::/path` for version 2. */
function readOwnGroups(text: string): ReadonlyMap<string, string> {
  const own = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, names, path] = /^\d+:([^:]*):(.+)$/.exec(line) ?? [];
    if (names === undefined || path === undefined) continue;
    for (const name of names.split(",")) own.set(name, path);
  }
  return own;
}

/** proc_pid_mountinfo(5): root and mount point are the fourth and fifth word, type and options follow a lone hyphen. */
function readMounts(text: string): readonly GroupMount[] {
  return text.split("\n").flatMap((line) => {
    const [mounted, described] = line.split(" - ");
    const [, , , root, directory] = mounted?.split(" ") ?? [];
    const [type, , options] = described?.split(" ") ?? [];
    if (root === undefined || directory === undefined) return [];
    if (type !== "cgroup" && type !== "cgroup2") return [];
    return [{ directory, root, names: options?.split(",") ?? [], isUnified: type === "cgroup2" }];
  });
}

function below({ directory, root }: GroupMount, path: string): string {
  const isShown = root !== "/" && (path === root || path.startsWith(`${root}/`));
  const rest = isShown ? path.slice(root.length) : path;
  return `${directory}${rest}`.replace(/\/+$/, "");
}
