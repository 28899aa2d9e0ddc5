import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, rmdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { groupParents } from "../../../agents/core/sandbox/resource-groups.ts";
import { openResourceGroups } from "../../../agents/drivers/sandbox/open-resource-groups.ts";

const texts = ["/proc/self/cgroup", "/proc/self/mountinfo"].map((path) =>
  readFile(path, "utf8").catch(() => ""),
);
const [own = "", mounts = ""] = await Promise.all(texts);
const [parent] = groupParents(own, mounts);
const name = `meridian-test${process.pid}`;
const made =
  parent !== undefined && (await tryMake(join(parent.directory, `${name}-trial`)))
    ? { directory: parent.directory }
    : undefined;
const options =
  made === undefined
    ? { skip: "no control groups can be made here: `sudo npm test -- resource-groups`" }
    : {};

test(
  "groups that an agent left for ever are removed, and young ones of others are not",
  options,
  async (t) => {
    assert.ok(made !== undefined);
    const { directory } = made;
    const [forsaken, young] = [join(directory, `${name}-old-1`), join(directory, `${name}-new-1`)];
    for (const path of [forsaken, young]) {
      await mkdir(path);
      t.after(() => rmdir(path).catch(() => undefined));
    }
    const longAgo = new Date(Date.now() - 120_000);
    await utimes(forsaken, longAgo, longAgo);
    const groups = await openResourceGroups(`${name}-mine`);
    await groups.close();
    assert.equal(existsSync(forsaken), false);
    assert.equal(existsSync(young), true);
  },
);

async function tryMake(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    await rmdir(path);
    return true;
  } catch {
    return false;
  }
}
