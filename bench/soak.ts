import { setTimeout as delay } from "node:timers/promises";
import { endWrong, readOptions, wholeNumber } from "../test/support/read-options.ts";
import { makeBenchFolder } from "./gateway/bench-folder.ts";
import { ANSWER, BODY, LOAD_CORE, startGateway } from "./gateway/setting.ts";
import { startStandIn } from "./gateway/stand-in.ts";
import { aligned } from "./report.ts";
import { startMixedCallers } from "./soak/mixed-callers.ts";
import { type ProcessReading, readProcess } from "./soak/read-process.ts";
import { riseOf } from "./soak/slope.ts";

/*
 * `npm run soak -- gateway [--minutes N] [--json]`: a gateway under mixed traffic for a while; what it keeps must not grow. The first half
 * is for caches to fill and code to be compiled, the second is judged. Exit code 1 when something grows.
 */
const SAMPLE_INTERVAL_MS = 2_000;
const WINDOW_MS = 30_000;
const MS_PER_MINUTE = 60_000;
const MINUTES_MAX = 24 * 60;
/** Rises a minute that are no leak; more must be certain, as what goes up and down rises for a while too. */
const RISE_MAX: Readonly<Record<keyof ProcessReading, number>> = {
  heapMegabytes: 1,
  residentMegabytes: 5,
  descriptors: 0.5,
  timers: 0.5,
};

const HELP = `Calls a gateway in many ways for a while. What it keeps must not grow: exit code 1 when something does.

  npm run soak -- gateway [--minutes N] [--json]

  --minutes N  how long (10); the first half is for caches to fill, the second is judged
  --json       the result as one document
  --help       this text
`;

const { values, positionals } = readOptions(HELP, {
  minutes: { type: "string", default: "10" },
  json: { type: "boolean", default: false },
});
if (positionals.join(" ") !== "gateway") endWrong("say `gateway`; --help tells what there is");
const minutes = wholeNumber("minutes", values.minutes, 1, MINUTES_MAX);

await using opened = new AsyncDisposableStack();
const folder = await makeBenchFolder();
opened.defer(folder.remove);
const requestBytes = Buffer.byteLength(BODY);
const standIn = await startStandIn({
  bootToken: folder.bootToken,
  answer: ANSWER,
  requestBytes,
  core: LOAD_CORE,
});
opened.defer(standIn.stop);
const gateway = await startGateway(folder, "soaked", standIn.linkUrls, standIn);
opened.defer(gateway.stop);
const callers = startMixedCallers(gateway.endpoint.urls.public ?? "");
opened.defer(callers.stop);

const samples: { readonly atMs: number; readonly reading: ProcessReading }[] = [];
const startMs = performance.now();
const endMs = minutes * MS_PER_MINUTE;
while (performance.now() - startMs < endMs) {
  await delay(SAMPLE_INTERVAL_MS);
  const atMs = performance.now() - startMs;
  samples.push({ atMs, reading: await readProcess(gateway.endpoint.urls.admin) });
  tellProgress(atMs);
}

const judged = samples.filter(({ atMs }) => atMs >= endMs / 2);
const rows = Object.entries(RISE_MAX).map(([name, riseMax]) => {
  const valueOf = (reading: ProcessReading): number =>
    new Map(Object.entries(reading)).get(name) ?? 0;
  const values = judged.map(({ atMs, reading }) => ({ atMs, value: valueOf(reading) }));
  const rise = riseOf(values, WINDOW_MS);
  return { name, first: values[0]?.value ?? 0, last: values.at(-1)?.value ?? 0, ...rise, riseMax };
});
const grows = rows.filter(({ perMinuteAtLeast, riseMax }) => perMinuteAtLeast > riseMax);
const tally = Object.fromEntries(callers.tally());
if (values.json)
  process.stdout.write(
    `${JSON.stringify({ minutes, rows, calls: tally, passed: grows.length === 0 }, null, 2)}\n`,
  );
else {
  const cells = rows.map(({ name, first, last, perMinute, perMinuteAtLeast, riseMax }) => [
    name,
    first.toFixed(1),
    last.toFixed(1),
    perMinute.toFixed(2),
    perMinuteAtLeast.toFixed(2),
    String(riseMax),
  ]);
  const heads = [
    "of the gateway",
    "at half time",
    "at the end",
    "rise a minute",
    "certainly",
    "allowed",
  ];
  process.stdout.write(`${aligned(heads, cells)}\n\ncalls: ${JSON.stringify(tally)}\n`);
  const verdict =
    grows.length === 0 ? "nothing grows" : `grows: ${grows.map(({ name }) => name).join(", ")}`;
  process.stdout.write(`${verdict}\n`);
}
process.exitCode = grows.length === 0 ? 0 : 1;

/** On a terminal one line that changes; elsewhere a line a minute. */
function tellProgress(atMs: number): void {
  const newest = samples.at(-1)?.reading;
  const line = `${(atMs / MS_PER_MINUTE).toFixed(1)} of ${minutes} min: heap ${newest?.heapMegabytes.toFixed(0)} MB, ${newest?.descriptors} descriptors, ${newest?.timers} timers`;
  if (process.stderr.isTTY) process.stderr.write(`\r${line} `);
  else if (samples.length % Math.round(MS_PER_MINUTE / SAMPLE_INTERVAL_MS) === 0)
    process.stderr.write(`${line}\n`);
}
