import { resolve } from "node:path";
import { progressStyle, showProgress, type Step } from "../../../cli/show-progress.ts";
import { endWrong, readOptions } from "../../support/read-options.ts";
import { loadImage } from "./bring-up.ts";
import { cutLink, healLink } from "./cluster-network.ts";
import { ALL_CLUSTERS, CLUSTER_NAMES, type ClusterPlan } from "./cluster-plan.ts";
import { clusterStatus, type ClusterStatus } from "./cluster-status.ts";
import { findParts, isRootOfLinux, ROOT_ALONE } from "./find-parts.ts";
import { ensureUp, lockClusters, prepareMachine, restoreMachine } from "./machine.ts";
import { takeDown } from "./take-down.ts";

/* `npm run clusters -- …`: real clusters of Kubernetes on this machine, for tests. */

const HELP = `Real clusters of Kubernetes with one node each, in network namespaces of this machine; needs root, and \`npm run engines -- kubernetes\`.

  npm run clusters -- up [N]           brings up the first N (default 3) of ${CLUSTER_NAMES.join(", ")}; what is up stays
  npm run clusters -- status           what there is
  npm run clusters -- cut NAME         drops all that enters or leaves a cluster
  npm run clusters -- heal NAME        and no longer
  npm run clusters -- load IMAGE.tar   gives an image to each cluster; \`up\` loads all of .engines/images
  npm run clusters -- down             takes all of it away, also what a killed command left

  --json                               the clusters as JSON, and nothing else

Examples:
  npm run clusters -- up
  .engines/bin/kubectl --kubeconfig .engines/clusters/eu-west/kubeconfig get pods -A
  npm run clusters -- cut us-east
`;

const { values, positionals } = readOptions(HELP, { json: { type: "boolean", default: false } });
const [verb = "", operand, ...more] = positionals;
if (more.length > 0) endWrong(`${more[0]} is one word too many; --help tells what there is`);

try {
  await run();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function run(): Promise<void> {
  switch (verb) {
    case "up":
      return up(countOf(operand ?? "3"));
    case "down":
      if (operand !== undefined) endWrong(`${operand} is one word too many: all go down at once`);
      return withLock(async () => {
        await inSteps("is gone", ALL_CLUSTERS, takeDown);
        await restoreMachine();
      });
    case "status":
      return tell(await Promise.all(ALL_CLUSTERS.map(clusterStatus)));
    case "cut":
      return withLock(() => change(named(operand), "is cut off", cutLink));
    case "heal":
      return withLock(() => change(named(operand), "is healed", healLink));
    case "load":
      return withLock(() => load(operand ?? endWrong("say which image, as load IMAGE.tar")));
    case "":
      return endWrong("say one of up, status, cut, heal, load, down; --help tells more");
    default:
      return endWrong(`there is no ${verb}; --help tells what there is`);
  }
}

async function up(count: number): Promise<void> {
  const found = await findParts();
  if (found.kind === "missing") throw new Error(found.reason);
  const { parts } = found;
  await withLock(async () => {
    await prepareMachine(parts);
    const wanted = ALL_CLUSTERS.slice(0, count);
    await inSteps("is up", wanted, (cluster) => ensureUp(cluster, parts));
    tell(await Promise.all(wanted.map(clusterStatus)));
  });
}

async function load(image: string): Promise<void> {
  const statuses = await Promise.all(ALL_CLUSTERS.map(clusterStatus));
  const made = ALL_CLUSTERS.filter((_, position) => statuses[position]?.state !== "down");
  if (made.length === 0) throw new Error("no cluster is up: `npm run clusters -- up`");
  await inSteps("has it", made, async (cluster) => void (await loadImage(cluster, resolve(image))));
  if (values.json) tell(await Promise.all(made.map(clusterStatus)));
}

async function change(
  cluster: ClusterPlan,
  claim: string,
  act: (cluster: ClusterPlan) => Promise<void>,
): Promise<void> {
  if ((await clusterStatus(cluster)).state === "down")
    throw new Error(`${cluster.name} is down: \`npm run clusters -- up\``);
  await inSteps(claim, [cluster], act);
  if (values.json) tell([await clusterStatus(cluster)]);
}

function countOf(text: string): number {
  const count = Number(text);
  if (ALL_CLUSTERS[count - 1] !== undefined) return count;
  return endWrong(`up takes a whole number from 1 to ${ALL_CLUSTERS.length}, not ${text}`);
}

function named(name = ""): ClusterPlan {
  return (
    ALL_CLUSTERS.find((cluster) => cluster.name === name) ??
    endWrong(`name one of ${CLUSTER_NAMES.join(", ")}`)
  );
}

function inSteps(
  claim: string,
  clusters: readonly ClusterPlan[],
  act: (cluster: ClusterPlan) => Promise<void>,
): Promise<void> {
  const steps: Step[] = clusters.map((cluster) => ({
    title: `${cluster.name} ${claim}`,
    run: () => act(cluster),
  }));
  return showProgress(progressStyle(values.json), steps);
}

async function withLock(act: () => Promise<void>): Promise<void> {
  if (!isRootOfLinux()) throw new Error(ROOT_ALONE);
  const lock = await lockClusters();
  if (lock === undefined)
    throw new Error("another command is at work on the clusters: wait for it");
  try {
    await act();
  } finally {
    lock.release();
  }
}

function tell(statuses: readonly ClusterStatus[]): void {
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ clusters: statuses }, undefined, 2)}\n`);
    return;
  }
  const lines = statuses.map(({ name, state, missing, kubeconfig }) => {
    const ended = missing.length > 0 ? ` (ended: ${missing.join(", ")})` : "";
    const access = state === "down" ? "" : `  ${kubeconfig}`;
    return `${name.padEnd(10)}${state}${ended}${access}\n`;
  });
  process.stdout.write(lines.join(""));
}
