import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Value } from "typebox/value";
import { Credentials } from "#lib/contracts/run-endpoint.ts";
import { freePorts } from "#lib/io/free-ports.ts";

export const REPOSITORY = resolve(import.meta.dirname, "../../..");
const MERIDIAN = join(REPOSITORY, "cli", "meridian.ts");

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A federation as a user has it: started by `meridian up`, reached through its address and the CLI. */
export interface Federation {
  readonly state: string;
  readonly basePort: number;
  readonly up: ChildProcess;
  readonly startedInMs: number;
  readonly credentials: () => Promise<Credentials>;
  /** Runs `meridian …` against it. */
  readonly cli: (...argv: string[]) => Promise<CommandResult>;
  /** A request to `http://127.0.0.1:PORT`; BASE where no zone is named. */
  readonly request: (path: string, options?: CallOptions) => Promise<Answer>;
  /** Ctrl-C; the state folder stays for a later start. */
  readonly end: () => Promise<void>;
  /** Ctrl-C, then everything it made is removed. Resolves with what `up` printed. */
  readonly stop: () => Promise<string>;
}

export interface CallOptions {
  readonly zone?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
  /** `demo` unless told otherwise; null sends no key, `operator` the operator's. */
  readonly as?: string | null;
  readonly timeoutMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export async function startFederation(...flags: string[]): Promise<Federation> {
  const state = await mkdtemp(join(tmpdir(), "meridian-system-"));
  return startFederationAt(state, await freePorts(4), ...flags);
}

export async function startFederationAt(
  state: string,
  basePort: number,
  ...flags: string[]
): Promise<Federation> {
  const startedAtMs = performance.now();
  const up = spawn(
    process.execPath,
    [
      MERIDIAN,
      "up",
      "--state",
      state,
      "--port",
      String(basePort),
      "--json",
      ...catalogFlags(),
      ...flags,
    ],
    {
      cwd: REPOSITORY,
      stdio: ["ignore", "pipe", "pipe"],
      // Functions of tests write into their files, and are told apart by process: neither is possible in a sandbox.
      env: { MERIDIAN_SANDBOX: "off", ...process.env },
    },
  );
  const printed = collect(up);
  await firstDocument(up, printed);
  const startedInMs = performance.now() - startedAtMs;

  const end = async (): Promise<void> => {
    if (up.exitCode !== null || up.signalCode !== null) return;
    up.kill("SIGINT");
    await ended(up, 20_000);
  };
  const credentials = async (): Promise<Credentials> =>
    Value.Parse(Credentials, JSON.parse(await readFile(join(state, "credentials.json"), "utf8")));
  return {
    state,
    basePort,
    up,
    startedInMs,
    credentials,
    cli: (...argv) => meridian(...argv, "--state", state),
    request: async (path, options = {}) => {
      const { endpoint, zones, operator, tenants } = await credentials();
      const who = options.as === undefined ? "demo" : options.as;
      const apiKey =
        who === "operator" ? operator.apiKey : who === null ? undefined : tenants[who]?.apiKey;
      const base = options.zone === undefined ? endpoint : zones[options.zone]?.gateway;
      const response = await fetch(`${base}${path}`, {
        method: options.method ?? "GET",
        headers: {
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
          ...options.headers,
        },
        ...(options.body === undefined ? {} : { body: options.body as string }),
        signal: AbortSignal.timeout(options.timeoutMs ?? 20_000),
      });
      return { status: response.status, headers: response.headers, text: await response.text() };
    },
    end,
    stop: async () => {
      await end();
      await rm(state, { recursive: true, force: true });
      return printed.stdout + printed.stderr;
    },
  };
}

/** `on-etcd.ts` has a whole test file run on the other catalog. */
const catalogFlags = (): string[] =>
  process.env["MERIDIAN_SYSTEM_CATALOG"] === "etcd" ? ["--catalog", "etcd"] : [];

/** The CLI as a child process of its own. */
export function meridian(...argv: string[]): Promise<CommandResult> {
  return new Promise((resolveResult) => {
    execFile(
      process.execPath,
      [MERIDIAN, ...argv],
      { cwd: REPOSITORY, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        resolveResult({ exitCode: code, stdout, stderr });
      },
    );
  });
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolveFree) => {
    const server = createServer();
    server.once("error", () => resolveFree(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolveFree(true)));
  });
}

/** Polls until the probe gives a value; the last failure explains a time-out. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  probe: () => Promise<T | undefined>,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  let last = "";
  while (performance.now() < deadlineMs) {
    try {
      const value = await probe();
      if (value !== undefined) return value;
    } catch (error) {
      last = ` (${String(error)})`;
    }
    await new Promise((wake) => setTimeout(wake, 50));
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}${last}`);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export function ended(child: ChildProcess, timeoutMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolveEnd, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`process ${child.pid} did not end in ${timeoutMs} ms`));
    }, timeoutMs);
    child.once("exit", () => {
      clearTimeout(timer);
      resolveEnd();
    });
  });
}

function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const printed = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (printed.stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (printed.stderr += text));
  return printed;
}

/** `up --json` prints one document once everything serves. */
async function firstDocument(
  up: ChildProcess,
  printed: { stdout: string; stderr: string },
): Promise<void> {
  let hasEnded = false;
  up.once("exit", () => (hasEnded = true));
  await until("meridian up is ready, or has ended", 60_000, async () =>
    hasEnded || isJson(printed.stdout) ? true : undefined,
  );
  if (hasEnded)
    throw new Error(`meridian up ended with ${up.exitCode}: ${printed.stderr}${printed.stdout}`);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
