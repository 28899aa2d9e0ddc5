import type { Command } from "@commander-js/extra-typings";
import { ZONE_ACTIONS, ZoneActionResult, UpStatus } from "#lib/contracts/supervision.ts";
import { connectedCommand } from "../command-options.ts";
import { formatTable, printDocument, printLine } from "../print.ts";
import { findState } from "../state-directory.ts";
import { askUp } from "../up-client.ts";

const SUMMARIES: Readonly<Record<(typeof ZONE_ACTIONS)[number], string>> = {
  start: "start a zone that is stopped or fell",
  stop: "drain a zone and stop it",
  kill: "kill -9 every process of a zone, instances included",
};

export function registerZone(program: Command): void {
  const zone = program
    .command("zone")
    .description("start, stop and kill zones of the `meridian up` on this machine");
  for (const action of ZONE_ACTIONS)
    connectedCommand(zone, action, SUMMARIES[action])
      .argument("<zone>")
      .action(async (name, flags) => {
        const path = `/zones/${encodeURIComponent(name)}:${action}`;
        const result = await askUp(findState(flags.state), ZoneActionResult, "POST", path);
        if (flags.json === true) return printDocument(result);
        printLine(`${result.zone}: ${result.state}`);
      });
  connectedCommand(zone, "list", "show the processes of every zone").action(async (flags) => {
    const status = await askUp(findState(flags.state), UpStatus, "GET", "/status");
    if (flags.json === true) return printDocument(status);
    const rows = status.groups.flatMap((group) =>
      group.programs.map(({ program: its, name = its, pid, state }) => [
        group.zone ?? "-",
        name,
        state,
        pid === null ? "-" : String(pid),
      ]),
    );
    printLine(formatTable(["ZONE", "PROGRAM", "STATE", "PID"], rows));
  });
}
