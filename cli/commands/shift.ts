import type { Command } from "@commander-js/extra-typings";
import { Type } from "typebox";
import { ShiftRecord } from "#lib/contracts/control-records.ts";
import { SHIFT_MINUTES_MAX } from "#lib/contracts/operator-api.ts";
import { connectedCommand, examples, wholeNumber } from "../command-options.ts";
import { connectAsOperator } from "../connect.ts";
import { formatAge, formatTable, printDocument, printLine } from "../print.ts";

const ShiftPage = Type.Object({ items: Type.Array(ShiftRecord) });

export function registerShift(program: Command): void {
  const shift = program
    .command("shift")
    .description("as an operator: move a share of a cluster's calls elsewhere for a while");
  registerAdd(shift);
  connectedCommand(shift, "list", "show the shifts in force")
    .addHelpText("after", examples("meridian shift list"))
    .action(async (flags) => {
      const client = await connectAsOperator(flags);
      const page = await client.json(ShiftPage, { path: "/v1/shifts" });
      if (flags.json === true) return printDocument(page);
      printLine(formatTable(HEADER, page.items.map(shiftRow)));
    });
  connectedCommand(shift, "remove", "end a shift before its time")
    .argument("<id>", "the shift, as shift list shows it")
    .addHelpText("after", examples("meridian shift remove sh-4k2j8x0q1z"))
    .action(async (id, flags) => {
      const client = await connectAsOperator(flags);
      await client.done({ method: "DELETE", path: `/v1/shifts/${encodeURIComponent(id)}` });
      if (flags.json === true) return printDocument({ id, state: "removed" });
      printLine(`${id}: removed`);
    });
}

function registerAdd(shift: Command): void {
  connectedCommand(shift, "add", "move a share of a cluster's calls; it ends by itself")
    .requiredOption("--from <cluster>", "whose calls")
    .option("--to <cluster>", "where to (default: wherever the plan would send them without it)")
    .requiredOption("--percent <n>", "how many of its calls", wholeNumber(1, 100))
    .requiredOption("--minutes <n>", "for how long", wholeNumber(1, SHIFT_MINUTES_MAX))
    .option("--reason <text>", "why, for the audit and for whoever looks", "")
    .addHelpText(
      "after",
      examples(
        'meridian shift add --from us-east-1 --percent 50 --minutes 30 --reason "slow disks"',
        "meridian shift add --from us-east-1 --to eu-west-1 --percent 10 --minutes 5",
      ),
    )
    .action(async (flags) => {
      const client = await connectAsOperator(flags);
      const record = await client.json(ShiftRecord, {
        method: "POST",
        path: "/v1/shifts",
        json: {
          fromCluster: flags.from,
          toCluster: flags.to ?? null,
          percent: flags.percent,
          minutes: flags.minutes,
          reason: flags.reason,
        },
      });
      if (flags.json === true) return printDocument(record);
      printLine(`${record.id}  ${describeShift(record)}, for ${leftOf(record)}`);
    });
}

const HEADER = ["ID", "SHIFT", "LEFT", "REASON"];

const shiftRow = (record: ShiftRecord): string[] => [
  record.id,
  describeShift(record),
  leftOf(record),
  record.reason,
];

export const describeShift = ({ fromCluster, toCluster, percent }: ShiftRecord): string =>
  `${percent} % of ${fromCluster} → ${toCluster ?? "by the plan"}`;

/** For how much longer. */
export const leftOf = ({ expiresAtMs }: ShiftRecord): string => formatAge(expiresAtMs - Date.now());
