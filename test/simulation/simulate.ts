import { availableParallelism } from "node:os";
import { endWrong, readOptions, wholeNumber } from "../support/read-options.ts";
import { runSeed, type SeedResult } from "./run-seed.ts";
import { runSeeds } from "./run-seeds.ts";
import type { WorldSettings } from "./world/settings.ts";

/*
 * `npm run simulate`: worlds from seeds, each with its own faults, until a promise of the system is broken. A seed that failed
 * replays to the same end; see `docs/simulation.md`.
 */

const HELP = `Runs the federator's production code in simulated worlds, and checks what the system promises.

  npm run simulate -- [options]

  --seeds N      how many worlds (default 100)
  --from N       the first seed (default 1)
  --seed N       one world only, and what became of it
  --minutes N    simulated minutes a world lasts (default 5)
  --zones N      zones in a world, 2 to 5 (default 3)
  --workers N    processes (default: one a core)
  --trace        with --seed: every event, as it happens
  --json         results as JSON lines
  --help         this text

Examples:
  npm run simulate -- --seeds 1000
  npm run simulate -- --seed 42 --trace
  npm run simulate -- --seeds 50 --from 5000 --minutes 30 --zones 5
`;
const MINUTES_MIN = 2;
const ZONES_MAX = 5;
const MS_PER_SECOND = 1_000;
const PROGRESS_EACH_MS = 250;
const LINES_EACH = 100;

const { values, positionals } = readOptions(HELP, {
  seeds: { type: "string", default: "100" },
  from: { type: "string", default: "1" },
  seed: { type: "string" },
  minutes: { type: "string", default: "5" },
  zones: { type: "string", default: "3" },
  workers: { type: "string", default: String(availableParallelism()) },
  trace: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
});
if (positionals.length > 0) endWrong("everything is said by options; --help tells which");

process.exitCode =
  values.seed === undefined ? await simulateMany() : await simulateOne(values.seed);

async function simulateOne(seed: string): Promise<number> {
  const settings = settingsOf(wholeNumber("seed", seed, 0));
  const result = await runSeed(
    settings,
    values.trace ? { print: (line) => print(`${line}\n`) } : {},
  );
  if (values.json) print(`${JSON.stringify(result)}\n`);
  else print(describe(result, settings));
  return result.broken === null ? 0 : 1;
}

async function simulateMany(): Promise<number> {
  const count = wholeNumber("seeds", values.seeds, 1);
  const from = wholeNumber("from", values.from, 0);
  const startedAtMs = performance.now();
  const failures: SeedResult[] = [];
  let done = 0;
  let shownAtMs = 0;
  const progress = (): void => {
    if (values.json) return;
    const nowMs = performance.now();
    const line = `${done} of ${count} worlds, ${failures.length} broken, ${((nowMs - startedAtMs) / MS_PER_SECOND).toFixed(0)} s`;
    if (process.stderr.isTTY && nowMs - shownAtMs >= PROGRESS_EACH_MS) {
      shownAtMs = nowMs;
      process.stderr.write(`\r${line}`);
    } else if (!process.stderr.isTTY && done % LINES_EACH === 0) process.stderr.write(`${line}\n`);
  };
  const seeds = Array.from({ length: count }, (_, index) => settingsOf(from + index));
  await runSeeds(seeds, { processes: wholeNumber("workers", values.workers, 1) }, (result) => {
    done += 1;
    if (values.json) print(`${JSON.stringify(result)}\n`);
    if (result.broken !== null) {
      failures.push(result);
      if (!values.json) print(`\n${describe(result, settingsOf(result.seed))}`);
    }
    progress();
  });
  if (process.stderr.isTTY) process.stderr.write("\r");
  const seconds = (performance.now() - startedAtMs) / MS_PER_SECOND;
  if (!values.json)
    print(
      `${done} worlds of ${values.minutes} simulated minutes and ${values.zones} zones in ${seconds.toFixed(1)} s, ${failures.length} broken\n`,
    );
  return failures.length === 0 ? 0 : 1;
}

function describe(
  { seed, events, traceHash, broken, lastNotes }: SeedResult,
  { minutes, zones }: WorldSettings,
): string {
  if (broken === null)
    return `seed ${seed}: every promise held, ${events} events, trace ${traceHash}\n`;
  const others = `${minutes === 5 ? "" : ` --minutes ${minutes}`}${zones === 3 ? "" : ` --zones ${zones}`}`;
  return [
    ...lastNotes,
    `seed ${seed} broke: ${broken.invariant}`,
    `  at ${(broken.atMs / MS_PER_SECOND).toFixed(3)} s: ${broken.why}`,
    `  after ${events} events, trace ${traceHash}; again with`,
    `  npm run simulate -- --seed ${seed}${others} --trace`,
    "",
  ].join("\n");
}

function settingsOf(seed: number): WorldSettings {
  return {
    seed,
    zones: wholeNumber("zones", values.zones, 2, ZONES_MAX),
    minutes: wholeNumber("minutes", values.minutes, MINUTES_MIN),
  };
}

function print(text: string): void {
  process.stdout.write(text);
}
