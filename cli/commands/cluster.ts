import type { Command } from "@commander-js/extra-typings";
import { Type } from "typebox";
import { ClusterView } from "#lib/contracts/api-status.ts";
import { connectedCommand, examples } from "../command-options.ts";
import { connectAsOperator } from "../connect.ts";
import { formatAge, formatTable, printDocument, printLine } from "../print.ts";

const ClusterPage = Type.Object({ items: Type.Array(ClusterView) });

const VERBS = {
  drain: {
    summary: "send no new calls to a cluster; what runs there ends in peace",
    example: 'meridian cluster drain us-east-1 --reason "kernel upgrade"',
  },
  undrain: {
    summary: "send calls to a drained cluster again, a few at first",
    example: "meridian cluster undrain us-east-1",
  },
  quarantine: {
    summary: "send no calls to a cluster, not even as the last resort",
    example: 'meridian cluster quarantine us-east-1 --reason "clock is wrong"',
  },
  release: {
    summary:
      "end a quarantine, and give a cluster that was lost back to functions with manual failback",
    example: "meridian cluster release us-east-1",
  },
} as const;

export function registerCluster(program: Command): void {
  const cluster = program
    .command("cluster")
    .description("as an operator: see clusters, take them out of service and bring them back");
  connectedCommand(cluster, "list", "show every cluster's state and an operator's word on it")
    .addHelpText("after", examples("meridian cluster list"))
    .action(async (flags) => {
      const client = await connectAsOperator(flags);
      const page = await client.json(ClusterPage, { path: "/v1/clusters" });
      if (flags.json === true) return printDocument(page);
      printLine(formatTable(HEADER, page.items.map(clusterRow)));
    });
  registerVerb(cluster, "drain");
  registerVerb(cluster, "undrain");
  registerVerb(cluster, "quarantine");
  registerVerb(cluster, "release");
}

function registerVerb(cluster: Command, verb: keyof typeof VERBS): void {
  const { summary, example } = VERBS[verb];
  connectedCommand(cluster, verb, summary)
    .argument("<cluster>", "its name, as cluster list shows it")
    .option("--reason <text>", "why, for the audit and for whoever looks")
    .option("--force", "also where no other cluster would take calls")
    .addHelpText("after", examples(example))
    .action(async (clusterId, flags) => {
      const client = await connectAsOperator(flags);
      const view = await client.json(ClusterView, {
        method: "POST",
        path: `/v1/clusters/${encodeURIComponent(clusterId)}:${verb}`,
        json: {
          ...(flags.reason !== undefined && { reason: flags.reason }),
          ...(flags.force === true && { force: true }),
        },
      });
      if (flags.json === true) return printDocument(view);
      printLine(`${view.clusterId}: ${describeMode(view)}`);
    });
}

const HEADER = ["CLUSTER", "ZONE", "STATE", "MODE", "WEIGHT", "SLOTS"];

const clusterRow = (view: ClusterView): string[] => [
  view.clusterId,
  view.zone,
  describeState(view),
  describeMode(view),
  `${view.weightPercent} %`,
  view.capacitySlots === undefined ? "unknown" : String(view.capacitySlots),
];

/** `down for 9 s, answers again`: the federation's verdict, and where the federator that answers sees more than that. */
export function describeState({ state, decidedAtMs, sight }: ClusterView): string {
  const verdict =
    decidedAtMs === null ? state : `${state} for ${formatAge(Date.now() - decidedAtMs)}`;
  if (state === "up") return sight === "suspect" ? `${verdict}, suspect` : verdict;
  if (sight === "behind") return `${verdict}, answers with an old table`;
  return sight === "up" && state === "down" ? `${verdict}, answers again` : verdict;
}

/** `draining (kernel upgrade)`; says also what waits for an operator. */
export function describeMode({ mode, modeReason, awaitsRelease }: ClusterView): string {
  const why = modeReason === undefined || modeReason === "" ? "" : ` (${modeReason})`;
  const waits = awaitsRelease === true ? ", manual failback waits for its release" : "";
  return `${mode ?? "in-service"}${mode === "in-service" ? "" : why}${waits}`;
}
