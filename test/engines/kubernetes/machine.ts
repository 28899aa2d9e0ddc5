import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type FileLock, takeFileLock } from "#lib/io/file-lock.ts";
import { bringUp, IMAGES_FOLDER } from "./bring-up.ts";
import { healLink, keepTrafficHere, letTrafficGo } from "./cluster-network.ts";
import { CLUSTERS_FOLDER, type ClusterPlan } from "./cluster-plan.ts";
import { clusterStatus } from "./cluster-status.ts";
import { commitImage } from "../../../image/commit-image.ts";
import type { ClusterParts } from "./find-parts.ts";
import { keepMachineState, restoreMachineState } from "./machine-state.ts";
import { PAUSE_IMAGE } from "./node-configuration.ts";
import { takeDown } from "./take-down.ts";

/** The clusters of this machine for one command at a time; undefined when another one has them. */
export async function lockClusters(): Promise<FileLock | undefined> {
  await mkdir(CLUSTERS_FOLDER, { recursive: true, mode: 0o700 });
  return takeFileLock(join(CLUSTERS_FOLDER, "lock.sqlite"));
}

/** What has to be so before the first cluster. */
export async function prepareMachine(parts: ClusterParts): Promise<void> {
  await keepTrafficHere();
  await keepMachineState();
  const image = join(IMAGES_FOLDER, "pause.tar");
  if (existsSync(image)) return;
  await mkdir(IMAGES_FOLDER, { recursive: true });
  const content = [{ from: parts.pause, to: "/pause" }];
  await commitImage({ name: PAUSE_IMAGE, file: image, content, command: ["/pause"] });
}

/** A cluster that is up stays as it is, with its link whole; anything else is made anew. */
export async function ensureUp(cluster: ClusterPlan, parts: ClusterParts): Promise<void> {
  const { state } = await clusterStatus(cluster);
  if (state === "cut") await healLink(cluster);
  if (state === "cut" || state === "up") return;
  await takeDown(cluster);
  await bringUp(cluster, parts);
}

/** After the last cluster: the machine is as it was. */
export async function restoreMachine(): Promise<void> {
  await restoreMachineState();
  await letTrafficGo();
  await rm(CLUSTERS_FOLDER, { recursive: true, force: true });
}
