import { mkdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import { runClosedLoop } from "../drive/run-drive.ts";
import { cpuMicros } from "../measure-cpu.ts";
import { processTree } from "../processes.ts";
import type { BenchReport } from "../report.ts";
import type { BenchFolder } from "./bench-folder.ts";
import { type CpuProfile, type SelfTime, selfTimes } from "./read-profile.ts";
import {
  BODY,
  callOf,
  LOAD_CORE,
  NOT_IDEMPOTENT,
  startGateway,
  WARMUP_REQUESTS,
} from "./setting.ts";
import type { StandIn } from "./stand-in.ts";

const PROFILE_NAME = "gateway.cpuprofile";
const ROWS_MAX = 25;
const ROOT = `file://${join(import.meta.dirname, "../..")}/`;

export interface ProfileOptions {
  readonly secondsPerRound: number;
  readonly connections: number;
  readonly tell: (what: string) => void;
}

/** Runs a gateway under the profiler, and tells where the time of a request goes. */
export async function profileGateway(
  folder: BenchFolder,
  standIn: StandIn,
  { secondsPerRound, connections, tell }: ProfileOptions,
  given: string,
): Promise<BenchReport> {
  const profileFolder = resolve(given);
  await mkdir(profileFolder, { recursive: true });
  const flags = profileFlags(profileFolder);
  const gateway = await startGateway(folder, "profiled", standIn.linkUrls, standIn, flags);
  try {
    const call = { ...callOf(gateway.endpoint.urls.public ?? "", NOT_IDEMPOTENT), body: BODY };
    tell("warming the gateway");
    await runClosedLoop(
      { ...call, connections, seconds: 0, requestsMin: WARMUP_REQUESTS },
      LOAD_CORE,
    );
    tell("profiling");
    const used = () => cpuMicros(processTree(gateway.pid)) ?? 0;
    const [fromMs, usedBefore] = [machineNowMs(), used()];
    const plan = { ...call, connections, seconds: secondsPerRound, requestsMin: 1 };
    const { requests } = await runClosedLoop(plan, LOAD_CORE);
    const [toMs, usedAfter] = [machineNowMs(), used()];
    await gateway.stop();
    const cpuMicrosPerRequest = (usedAfter - usedBefore) / requests;
    return await reportProfile({
      folder: profileFolder,
      fromMs,
      toMs,
      requests,
      cpuMicrosPerRequest,
    });
  } finally {
    await gateway.stop();
  }
}

/** `--cpu-prof` starts with the process and is written when it ends. */
const profileFlags = (folder: string): string[] => [
  "--cpu-prof",
  `--cpu-prof-dir=${folder}`,
  `--cpu-prof-name=${PROFILE_NAME}`,
  "--cpu-prof-interval=250",
];

interface ProfiledLoad {
  readonly folder: string;
  /** Of the machine's monotonic clock. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly requests: number;
  /** What the requests took of the process. */
  readonly cpuMicrosPerRequest: number;
}

/** Where the time of a request goes, by the profile in the folder. */
async function reportProfile(load: ProfiledLoad): Promise<BenchReport> {
  const file = join(load.folder, PROFILE_NAME);
  const profile: CpuProfile = JSON.parse(await readFile(file, "utf8"));
  const rows = selfTimes(profile, load.fromMs * 1_000, load.toMs * 1_000, placeOf);
  const areas = selfTimes(profile, load.fromMs * 1_000, load.toMs * 1_000, areaOf);
  const table = (title: string, head: string, lines: readonly SelfTime[]) => ({
    title,
    heads: [head, "µs/request", "share"],
    rows: lines.map(({ place, micros, percent }) => [
      place,
      (micros / load.requests).toFixed(2),
      `${percent.toFixed(1)} %`,
    ]),
  });
  return {
    tables: [
      table("By part", "part", areas.slice(0, ROWS_MAX)),
      table("By function", "function", rows.slice(0, ROWS_MAX)),
    ],
    notes: [
      `self time of ${load.requests} requests at ${load.cpuMicrosPerRequest.toFixed(1)} µs of CPU each, profiler included; ${file} opens in any browser's developer tools`,
    ],
    result: { ...load, rows: rows.slice(0, ROWS_MAX), areas },
  };
}

function placeOf(functionName: string, url: string, line: number): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  return url === "" ? name : `${name} ${shortened(url)}:${line}`;
}

/** The folder for what is ours, the package for what others wrote, and what Node does in few words. */
function areaOf(functionName: string, url: string): string {
  if (url === "") return NATIVE_AREAS[functionName] ?? "V8 and Node, native";
  const short = shortened(url);
  const [, packageName] = /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(short) ?? [];
  if (packageName !== undefined) return packageName;
  if (/^node:.*http/.test(short)) return "Node, HTTP";
  if (short.startsWith("node:")) return "Node, streams and the rest";
  return dirname(short);
}

const NATIVE_AREAS: Readonly<Record<string, string>> = {
  writeBuffer: "writing to sockets",
  writev: "writing to sockets",
  writeLatin1String: "writing to sockets",
  writeUtf8String: "writing to sockets",
  "(garbage collector)": "garbage collection",
};

function shortened(url: string): string {
  const packages = url.indexOf("node_modules/");
  if (packages >= 0) return url.slice(packages);
  return url.startsWith(ROOT) ? url.slice(ROOT.length) : url;
}
