import { mkdir, readdir, readFile, rmdir, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  type GroupParent,
  groupParents,
  instanceGroups,
  type ResourceGroup,
} from "../../core/sandbox/resource-groups.ts";
import { untilRemoved } from "../../launcher/resource-groups.ts";

/** More than runtimes have threads, and less than would trouble a machine. */
const PROCESSES_MAX = 192;
const TRIAL_BYTES = 67_108_864;
/** How the names of all groups of all agents of a machine begin. */
const ANYBODYS = "meridian-";
/** An instance joins its group within milliseconds: one in which nothing runs after that was left by an agent that was killed. */
const FORSAKEN_AFTER_MS = 60_000;

export interface ResourceGroups {
  readonly of: (instance: string, memoryBytes: number) => readonly ResourceGroup[];
  /** Why the kernel does not limit memory and processes; undefined where it does. */
  readonly reason: string | undefined;
  /** Removes those in which nothing runs any more. */
  readonly close: () => Promise<void>;
}

/** Finds out where this process may make control groups, by making some; those that agents before it left are removed. `prefix` begins with `meridian-`. */
export async function openResourceGroups(prefix: string): Promise<ResourceGroups> {
  const texts = ["/proc/self/cgroup", "/proc/self/mountinfo"].map((path) =>
    readFile(path, "utf8").catch(() => ""),
  );
  const [own = "", mounts = ""] = await Promise.all(texts);
  const possible = groupParents(own, mounts);
  const removeLeft = async (): Promise<boolean> => {
    const removals = possible.map(({ directory }) =>
      removeEmpty(directory, (name) => name.startsWith(`${prefix}-`)),
    );
    return (await Promise.all(removals)).every(Boolean);
  };
  await removeLeft();
  for (const { directory } of possible)
    await removeEmpty(directory, (name) => isForsaken(join(directory, name)));
  const parents: GroupParent[] = [];
  let trouble = "this system has no control groups";
  for (const parent of possible) {
    // Of the places for one kind of limit the first that works is enough.
    if (parents.some(({ controllers }) => controllers.join() === parent.controllers.join()))
      continue;
    const failure = await tryParent(parent, `${prefix}-trial-${process.pid}`);
    if (failure === undefined) parents.push(parent);
    else trouble = failure;
  }
  const isLimited = ["memory", "pids"].every((wanted) =>
    parents.some(({ controllers }) => controllers.some((controller) => controller === wanted)),
  );
  return {
    of: (instance, memoryBytes) =>
      instanceGroups(parents, `${prefix}-${instance}`, {
        memoryBytes,
        processesMax: PROCESSES_MAX,
      }),
    reason: isLimited
      ? undefined
      : `The kernel does not limit memory and processes here; memory is watched from outside, which is best effort: ${trouble}`,
    close: () => untilRemoved(removeLeft),
  };
}

async function tryParent(parent: GroupParent, name: string): Promise<string | undefined> {
  const limits = { memoryBytes: TRIAL_BYTES, processesMax: PROCESSES_MAX };
  const [group] = instanceGroups([parent], name, limits);
  if (group === undefined) return undefined;
  try {
    await mkdir(group.directory);
    for (const [file, value] of group.files)
      await writeFile(join(group.directory, file), value, { flag: "r+" });
    return undefined;
  } catch (error) {
    return String(error);
  } finally {
    await rmdir(group.directory).catch(() => undefined);
  }
}

/** False where one of them stays, as something runs in it. */
async function removeEmpty(
  directory: string,
  isWanted: (name: string) => boolean | Promise<boolean>,
): Promise<boolean> {
  let isAll = true;
  for (const name of await readdir(directory).catch(() => [])) {
    if (!(await isWanted(name))) continue;
    await rmdir(join(directory, name)).catch(() => {
      isAll = false;
    });
  }
  return isAll;
}

/** Whosever it is: an agent whose folder is gone never comes back for its own. */
async function isForsaken(path: string): Promise<boolean> {
  if (!basename(path).startsWith(ANYBODYS)) return false;
  const made = await stat(path).catch(() => undefined);
  return made !== undefined && Date.now() - made.mtimeMs > FORSAKEN_AFTER_MS;
}
