import { globSync } from "node:fs";
import { ALL_CLUSTERS } from "../engines/kubernetes/cluster-plan.ts";
import { clusterStatus } from "../engines/kubernetes/cluster-status.ts";
import { type ClusterParts, findParts } from "../engines/kubernetes/find-parts.ts";
import {
  ensureUp,
  lockClusters,
  prepareMachine,
  restoreMachine,
} from "../engines/kubernetes/machine.ts";
import { takeDown } from "../engines/kubernetes/take-down.ts";
import { readOptions } from "../support/read-options.ts";
import { print, runTestFiles, summarize } from "../support/run-test-files.ts";

/* `npm run test:kubernetes`: the tests that need real clusters, one file after the other, on clusters that are up or made for them. */

const FILE_TIMEOUT_MS = 1_800_000;

const HELP = `Runs the tests of test/kubernetes, or those whose path holds one of the parts, on three real clusters: those that
\`npm run clusters -- up\` made, else ones that are brought up for them and taken down after them.

  npm run test:kubernetes [-- PART-OF-A-PATH …]

Examples:
  npm run test:kubernetes
  npm run test:kubernetes -- clusters
`;

const { positionals: wanted } = readOptions(HELP, {});
const files = globSync("test/kubernetes/**/*.test.ts")
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .toSorted();

const found = await findParts();
if (found.kind === "missing") summarize(await runTestFiles(files, 1, FILE_TIMEOUT_MS));
else
  await onClusters(found.parts, async () =>
    summarize(await runTestFiles(files, 1, FILE_TIMEOUT_MS)),
  );

async function onClusters(parts: ClusterParts, act: () => Promise<void>): Promise<void> {
  const statuses = await Promise.all(ALL_CLUSTERS.map(clusterStatus));
  if (statuses.every(({ state }) => state === "up")) return act();

  const lock = await lockClusters();
  if (lock === undefined)
    throw new Error("another command is at work on the clusters: wait for it");
  const startedAtMs = performance.now();
  try {
    await prepareMachine(parts);
    await Promise.all(ALL_CLUSTERS.map((cluster) => ensureUp(cluster, parts)));
    print(`three clusters are up: ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s`);
    await act();
  } finally {
    await Promise.all(ALL_CLUSTERS.map(takeDown));
    await restoreMachine();
    lock.release();
  }
}
