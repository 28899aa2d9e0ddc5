import { runDrill } from "#chaos";

/* A drill's runner as a process of its own, so that it can be killed: its options as JSON in the only argument. */
const options = JSON.parse(process.argv[2] ?? "{}") as {
  experimentFile: string;
  reportDirectory: string;
  journalDirectory: string;
  state?: string;
  federationCommand: string[];
};
const interrupting = new AbortController();
process.on("SIGINT", () => interrupting.abort("interrupted by SIGINT"));
const outcome = await runDrill({
  ...options,
  withoutFailover: false,
  say: (line) => process.stdout.write(`${line}\n`),
  signal: interrupting.signal,
});
process.stdout.write(`${JSON.stringify(outcome)}\n`);
