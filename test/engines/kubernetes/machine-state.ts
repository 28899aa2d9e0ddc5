import { existsSync } from "node:fs";
import { readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { CLUSTERS_FOLDER } from "./cluster-plan.ts";

/** A kubelet changes these for the whole machine. */
const SETTINGS = [
  "vm/overcommit_memory",
  "vm/panic_on_oom",
  "kernel/panic",
  "kernel/panic_on_oops",
  "kernel/keys/root_maxkeys",
  "kernel/keys/root_maxbytes",
];
/** containerd, its plugins and a kubelet make these, and take no other place; inner ones first. */
const FOLDERS = [
  "/run/containerd/s",
  "/run/containerd",
  "/var/lib/cni/results",
  "/var/lib/cni",
  "/var/log/containers",
];
const FILE = join(CLUSTERS_FOLDER, "machine.json");
const MachineState = Type.Object({
  settings: Type.Record(Type.String(), Type.String()),
  absentFolders: Type.Array(Type.String()),
});

/** Before the first cluster; what is kept already is older, and right. */
export async function keepMachineState(): Promise<void> {
  if (existsSync(FILE)) return;
  const settings: Record<string, string> = {};
  for (const name of SETTINGS) {
    const value = await readFile(`/proc/sys/${name}`, "utf8").catch(() => undefined);
    if (value !== undefined) settings[name] = value.trim();
  }
  const absentFolders = FOLDERS.filter((folder) => !existsSync(folder));
  await writeAtomically(FILE, JSON.stringify({ settings, absentFolders }));
}

/** After the last cluster. */
export async function restoreMachineState(): Promise<void> {
  if (!existsSync(FILE)) return;
  const kept = Value.Parse(MachineState, JSON.parse(await readFile(FILE, "utf8")));
  for (const name of SETTINGS) {
    const value = kept.settings[name];
    if (value !== undefined) await writeFile(`/proc/sys/${name}`, value);
  }
  for (const folder of FOLDERS)
    if (kept.absentFolders.includes(folder)) await rmdir(folder).catch(() => undefined);
}
