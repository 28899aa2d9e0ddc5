import { mkdir, readdir, readFile, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  type GroupParent,
  groupParents,
  instanceGroups,
  type ResourceGroup,
} from "../../core/sandbox/resource-groups.ts";

/** More than runtimes have threads, and less than would trouble a machine. */
const PROCESSES_MAX = 192;
/** What was ended a moment ago may be in its group still. */
const REMOVE_ATTEMPTS_MAX = 20;
const REMOVE_RETRY_MS = 25;
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
    const removals = possible.map(({ directory }) => removeEmpty(directory, prefix));
    return (await Promise.all(removals)).every(Boolean);
  };
  await Promise.all([removeLeft(), ...possible.map(({ directory }) => removeForsaken(directory))]);
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
    close: async () => {
      for (let attempts = 0; attempts < REMOVE_ATTEMPTS_MAX; attempts += 1) {
        if (await removeLeft()) return;
        await delay(REMOVE_RETRY_MS);
      }
    },
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

/** A group in which something runs stays: nobody can remove it. */
async function removeEmpty(directory: string, prefix: string): Promise<boolean> {
  let isAll = true;
  for (const name of await readdir(directory).catch(() => [])) {
    if (!name.startsWith(`${prefix}-`)) continue;
    await rmdir(join(directory, name)).catch(() => {
      isAll = false;
    });
  }
  return isAll;
}

/** Whosever they are: an agent whose folder is gone never comes back for its own. */
async function removeForsaken(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    if (!name.startsWith(ANYBODYS)) continue;
    const path = join(directory, name);
    const made = await stat(path).catch(() => undefined);
    if (made !== undefined && Date.now() - made.mtimeMs > FORSAKEN_AFTER_MS)
      await rmdir(path).catch(() => undefined);
  }
}
