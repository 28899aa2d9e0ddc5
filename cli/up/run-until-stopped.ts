import { relative } from "node:path";
import { UsageError } from "../failures.ts";
import { printDocument, printLine } from "../print.ts";
import type { ProgressStyle } from "../show-progress.ts";
import { credentialsFile } from "../state-directory.ts";
import { hasReusePort } from "./io/listening-ports.ts";
import { EXAMPLE_TENANT } from "./starting-steps.ts";
import { EXAMPLE_FUNCTION } from "./io/deploy-example.ts";
import { type FederationWish, type RunningFederation, startFederation } from "./up.ts";

const EXIT_INTERRUPTED = 130;
/** npm passes a Ctrl-C on that the terminal has sent already: the echo is not a second one. */
const ECHO_MS = 500;

export interface RunOptions {
  readonly asJson: boolean;
  readonly progress: ProgressStyle;
  readonly environment: NodeJS.ProcessEnv;
}

/** From flags to exit code: starts, tells people what they have, and stops at Ctrl-C; a second Ctrl-C makes it quick. */
export async function runUntilStopped(
  flags: Omit<FederationWish, "hasReusePort">,
  options: RunOptions,
): Promise<number> {
  const startedAtMs = performance.now();
  // A terminal or pipe that went away must not end the federation.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  const federation = { ...flags, hasReusePort: await hasReusePort() };
  if (flags.workers > 1 && !federation.hasReusePort)
    throw new UsageError(
      "--workers: this system has no SO_REUSEPORT, so that one gateway alone can have a port",
    );
  const notices = holdNotices(options.progress === "terminal");
  const stopping = followSignals();
  if (!federation.hasReusePort)
    notices.say("this system has no SO_REUSEPORT: only the first gateway is on the common port");

  let running: RunningFederation;
  try {
    running = await startFederation({
      federation,
      progress: options.progress,
      environment: options.environment,
      say: notices.say,
      signal: stopping.first,
    });
  } catch (error) {
    if (stopping.first.aborted) return EXIT_INTERRUPTED;
    throw error;
  } finally {
    notices.release();
  }

  const startedInMs = performance.now() - startedAtMs;
  if (options.asJson) printDocument(describe(federation, running, startedInMs));
  else printLine(describeForPeople(federation, running, startedInMs));

  await aborted(stopping.first);
  if (!options.asJson) printLine("stopping; Ctrl-C again ends everything at once");
  stopping.second.addEventListener("abort", running.killAll, { once: true });
  await running.stop();
  if (!options.asJson) printLine("stopped");
  return 0;
}

/** Notices on standard error; held back while a live tree owns the terminal. */
function holdNotices(mustHold: boolean): {
  readonly say: (text: string) => void;
  readonly release: () => void;
} {
  let held: string[] | undefined = mustHold ? [] : undefined;
  return {
    say: (text) => {
      if (held === undefined) writeNotice(text);
      else held.push(text);
    },
    release: () => {
      const waiting = held ?? [];
      held = undefined;
      waiting.forEach(writeNotice);
    },
  };
}

const writeNotice = (text: string): void => void process.stderr.write(`${text}\n`);

function followSignals(): { readonly first: AbortSignal; readonly second: AbortSignal } {
  const first = new AbortController();
  const second = new AbortController();
  let firstAtMs = Number.POSITIVE_INFINITY;
  const onSignal = (): void => {
    if (!first.signal.aborted) {
      firstAtMs = performance.now();
      first.abort();
    } else if (performance.now() - firstAtMs > ECHO_MS) second.abort();
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, onSignal);
  return { first: first.signal, second: second.signal };
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });

const witnessOf = ({ zones }: Pick<FederationWish, "zones">): "present" | "none" =>
  zones.length > 2 ? "present" : "none";

const describe = (
  federation: FederationWish,
  { credentials }: RunningFederation,
  startedInMs: number,
): object => ({
  endpoint: credentials.endpoint,
  zones: Object.fromEntries(
    Object.entries(credentials.zones).map(([name, { gateway }]) => [name, { gateway }]),
  ),
  witness: witnessOf(federation),
  credentials: credentialsFile(federation.stateDirectory),
  example: { tenant: EXAMPLE_TENANT, function: EXAMPLE_FUNCTION },
  startedInMs: Math.round(startedInMs),
});

function describeForPeople(
  federation: FederationWish,
  { credentials }: RunningFederation,
  startedInMs: number,
): string {
  const { endpoint, tenants } = credentials;
  const count = federation.zones.length;
  const keysFile = credentialsFile(federation.stateDirectory);
  const nearby = relative(process.cwd(), keysFile);
  const lines = [
    `Meridian is up: ${count} ${count === 1 ? "zone" : "zones"} in ${(startedInMs / 1_000).toFixed(1)} s`,
    `  invoke    ${endpoint}`,
    `  try       curl -H "Authorization: Bearer ${tenants[EXAMPLE_TENANT]?.apiKey ?? ""}" -d '{"name":"you"}' -H 'Content-Type: application/json' \\`,
    `              ${endpoint}/v1/tenants/${EXAMPLE_TENANT}/functions/${EXAMPLE_FUNCTION}:invoke`,
    `  keys      ${nearby.startsWith("..") ? keysFile : nearby}`,
    "  stop      Ctrl-C",
  ];
  if (count === 1) lines.push("  failover  none: there is only one zone");
  if (federation.acceptsCatalogLoss)
    lines.push(
      "  catalog   begun anew: changes may be refused until `npx meridian catalog recover --from-replica ZONE`; see `npx meridian catalog status`",
    );
  if (count === 2) lines.push("  witness   none: two zones cannot give a verdict on one another");
  return lines.join("\n");
}
