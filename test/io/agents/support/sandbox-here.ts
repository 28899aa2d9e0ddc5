import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RUNTIMES } from "../../../../agents/drivers/instance-command.ts";
import { openSandbox } from "../../../../agents/drivers/sandbox/open-sandbox.ts";

/** For a test's `skip`: why this machine has no sandboxes, or false. */
export async function sandboxObstacle(): Promise<string | false> {
  const stateDirectory = await mkdtemp(join(tmpdir(), "sandbox-"));
  const runtimeDirectory = join(RUNTIMES, "node");
  const opened = await openSandbox({
    stateDirectory,
    agentDirectory: stateDirectory,
    runtimeDirectory,
  });
  await rm(stateDirectory, { recursive: true, force: true });
  return (
    opened.kind === "none" && `${opened.reason}; \`sudo npm run engines\` brings what is missing`
  );
}
