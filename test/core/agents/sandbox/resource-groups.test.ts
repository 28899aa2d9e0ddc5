import assert from "node:assert/strict";
import { test } from "node:test";
import {
  groupParents,
  instanceGroups,
  outOfMemoryKills,
} from "../../../../agents/core/sandbox/resource-groups.ts";

const MOUNT = (words: string, type: string, options: string) =>
  `25 1 0:1 ${words} rw - ${type} none ${options}\n`;
const V1_MOUNTS = [
  MOUNT("/ /sys/fs/cgroup/memory", "cgroup", "rw,memory"),
  MOUNT("/ /sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
  MOUNT("/ /sys/fs/cgroup/pids", "cgroup", "rw,pids"),
  MOUNT("/ /sys/fs/cgroup/unified", "cgroup2", "rw"),
].join("");
const LIMITS = { memoryBytes: 1_000, processesMax: 9 };

test("with version 1 there is a folder for each limit, below the agent's own groups", () => {
  const own = "4:memory:/service/agent\n2:cpu,cpuacct:/\n8:pids:/\n0::/\n";
  assert.deepEqual(
    groupParents(own, V1_MOUNTS).map(({ directory }) => directory),
    ["/sys/fs/cgroup/memory/service/agent", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu,cpuacct"],
  );
});

test("in a container, the path of a group begins where its mount begins", () => {
  const mounts = MOUNT("/docker/abc /sys/fs/cgroup/memory", "cgroup", "rw,memory");
  const [parent] = groupParents("4:memory:/docker/abc\n", mounts);
  assert.equal(parent?.directory, "/sys/fs/cgroup/memory");
});

test("with version 2 the agent's own group is tried first, then the root", () => {
  const parents = groupParents(
    "0::/system.slice/agent\n",
    MOUNT("/ /sys/fs/cgroup", "cgroup2", "rw"),
  );
  assert.deepEqual(
    parents.map(({ directory }) => directory),
    ["/sys/fs/cgroup/system.slice/agent", "/sys/fs/cgroup"],
  );
  assert.deepEqual(instanceGroups(parents.slice(1), "m-1", LIMITS), [
    {
      directory: "/sys/fs/cgroup/m-1",
      files: [
        ["memory.max", "1000"],
        ["pids.max", "9"],
        ["cpu.weight", "100"],
      ],
      outOfMemoryCounts: "memory.events",
    },
  ]);
});

test("without control groups there are none", () => {
  assert.deepEqual(groupParents("", ""), []);
  assert.deepEqual(groupParents("garbage\n4:memory", "garbage - \n"), []);
});

test("processes ended for want of memory are counted in either version's file", () => {
  assert.equal(outOfMemoryKills("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), 2);
  assert.equal(outOfMemoryKills("low 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n"), 1);
  assert.equal(outOfMemoryKills("oom_kill 0\n"), 0);
  assert.equal(outOfMemoryKills(""), 0);
});
