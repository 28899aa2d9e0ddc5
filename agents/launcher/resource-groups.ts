import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { outOfMemoryKills, type ResourceGroup } from "../core/sandbox/resource-groups.ts";

/** What ran in a group takes a moment to be gone from it; whatever is left then is removed when an agent starts. */
const REMOVE_ATTEMPTS_MAX = 20;
const REMOVE_RETRY_MS = 25;

/** Makes the groups with their limits; throws where one cannot be made, and leaves none behind then. */
export function makeGroups(groups: readonly ResourceGroup[]): void {
  try {
    for (const { directory, files } of groups) {
      mkdirSync(directory);
      for (const [name, value] of files)
        writeFileSync(join(directory, name), value, { flag: "r+" });
    }
  } catch (error) {
    void removeGroups(groups);
    throw error;
  }
}

/** Whether the kernel ended something in them that took too much memory. */
export const ranOutOfMemory = (groups: readonly ResourceGroup[]): boolean =>
  groups.some(
    ({ directory, outOfMemoryCounts: file }) =>
      file !== undefined && outOfMemoryKills(readIfThere(join(directory, file))) > 0,
  );

export async function removeGroups(groups: readonly ResourceGroup[]): Promise<void> {
  let left = groups;
  await untilRemoved(() => {
    left = left.filter((group) => !isRemoved(group));
    return left.length === 0;
  });
}

/** Tries until everything is removed, for as long as it takes what was ended to be gone. */
export async function untilRemoved(isAllRemoved: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempts = 1; !(await isAllRemoved()) && attempts < REMOVE_ATTEMPTS_MAX; attempts += 1)
    await delay(REMOVE_RETRY_MS);
}

function isRemoved({ directory }: ResourceGroup): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT";
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
