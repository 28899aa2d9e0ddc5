import type { Command } from "@commander-js/extra-typings";
import type { StartRollout } from "#lib/contracts/api.ts";
import { LIVE_ALIAS } from "#lib/contracts/names.ts";
import {
  connectedCommand,
  examples,
  listOf,
  numbersOf,
  tenantOption,
  wholeNumber,
} from "../command-options.ts";
import { connectAsTenant } from "../connect.ts";
import { EXIT_FAILED } from "../failures.ts";
import { formatAge, formatTable, printDocument, printLine } from "../print.ts";
import {
  cancelRollout,
  describeProgress,
  describeRollout,
  listRollouts,
  startRollout,
  watchRollout,
} from "../rollouts.ts";

export function registerRollout(program: Command): void {
  const rollout = program
    .command("rollout")
    .description("move an alias to another version step by step, zone after zone");
  registerStart(rollout);
  registerRolloutStatus(rollout);
  registerCancel(rollout);
}

/** What both `rollout start` and `deploy --canary` say of the steps. */
export interface RolloutFlags {
  readonly steps?: number[] | undefined;
  readonly stepSeconds?: number | undefined;
  readonly callsMin?: number | undefined;
  readonly zones?: string[] | undefined;
}

export const rolloutWish = (version: number, flags: RolloutFlags): StartRollout => ({
  version,
  ...(flags.steps !== undefined && { stepPercents: flags.steps }),
  ...(flags.stepSeconds !== undefined && { stepMsMin: flags.stepSeconds * 1_000 }),
  ...(flags.callsMin !== undefined && { stepCallsMin: flags.callsMin }),
  ...(flags.zones !== undefined && { zones: flags.zones }),
});

function registerStart(rollout: Command): void {
  connectedCommand(rollout, "start", "begin to send calls to another version")
    .argument("<function>")
    .addOption(tenantOption())
    .requiredOption("--to <version>", "which version", wholeNumber(1, 1e9))
    .option("--alias <name>", "which alias", LIVE_ALIAS)
    .option("--steps <percents>", "its shares in turn (default: 5,25,50,100)", numbersOf(1, 100))
    .option("--step-seconds <n>", "a step's least time (default: 30)", wholeNumber(1, 86_400))
    .option(
      "--calls-min <n>",
      "calls of each side before the next step (default: 100)",
      wholeNumber(1, 1_000_000),
    )
    .option("--zones <names>", "these zones first, in this order", listOf)
    .option("--anywhere", "also where the version before could not run")
    .option("--watch", "follow it to its end; exit code 1 if it goes back")
    .addHelpText(
      "after",
      examples(
        "meridian rollout start hello --to 7 --watch",
        "meridian rollout start hello --to 7 --steps 1,10,100 --step-seconds 300 --zones ap-south",
      ),
    )
    .action(async (functionName, flags) => {
      const connection = await connectAsTenant(flags, flags.tenant);
      const { alias } = flags;
      const started = await startRollout(
        connection,
        { functionName, alias },
        {
          ...rolloutWish(flags.to, flags),
          ...(flags.anywhere === true && { acceptWiderPlacement: true }),
        },
      );
      if (flags.watch !== true) {
        if (flags.json === true) return printDocument(started);
        return printLine(describeRollout(started));
      }
      const onChange = flags.json === true ? () => undefined : tell;
      const ended = await watchRollout(connection, started, onChange);
      if (flags.json === true) printDocument(ended);
      if (ended.state !== "succeeded") process.exitCode = EXIT_FAILED;
    });
}

function registerRolloutStatus(rollout: Command): void {
  connectedCommand(rollout, "status", "show how far rollouts are, and how the last ones ended")
    .argument("<function>")
    .addOption(tenantOption())
    .option("--watch", "follow what runs to its end; exit code 1 if it goes back")
    .addHelpText("after", examples("meridian rollout status hello --watch"))
    .action(async (functionName, flags) => {
      const connection = await connectAsTenant(flags, flags.tenant);
      const rollouts = await listRollouts(connection, functionName);
      const running = rollouts.find(({ state }) => state === "running");
      if (flags.watch === true && running !== undefined) {
        const onChange = flags.json === true ? () => undefined : tell;
        const ended = await watchRollout(connection, running, onChange);
        if (flags.json === true) printDocument(ended);
        if (ended.state !== "succeeded") process.exitCode = EXIT_FAILED;
        return;
      }
      if (flags.json === true) return printDocument({ items: rollouts });
      if (rollouts.length === 0)
        return printLine(`${functionName}: nothing was ever rolled out step by step`);
      const rows = rollouts.map((one) => [
        one.alias,
        `${one.fromVersion} → ${one.toVersion}`,
        one.state,
        one.state === "running" ? describeProgress(one) : "-",
        `${formatAge(Date.now() - one.changedAtMs)} ago`,
        one.reason,
      ]);
      printLine(formatTable(["ALIAS", "VERSIONS", "STATE", "AT", "CHANGED", "REASON"], rows));
    });
}

function registerCancel(rollout: Command): void {
  connectedCommand(rollout, "cancel", "send all calls to the version before again")
    .argument("<function>")
    .addOption(tenantOption())
    .option("--alias <name>", "which alias", LIVE_ALIAS)
    .action(async (functionName, flags) => {
      const connection = await connectAsTenant(flags, flags.tenant);
      const cancelled = await cancelRollout(connection, { functionName, alias: flags.alias });
      if (flags.json === true) return printDocument(cancelled);
      printLine(describeRollout(cancelled));
    });
}

const tell = (...[rollout]: Parameters<typeof describeRollout>): void =>
  printLine(`${new Date().toISOString().slice(11, 19)}  ${describeRollout(rollout)}`);
