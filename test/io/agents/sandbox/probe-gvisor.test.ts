import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lookForGvisor } from "../../../../agents/drivers/sandbox/probe-gvisor.ts";
import { eventually, isAlive } from "../support/agent-world.ts";

/* Stand-ins for runsc: what it says on machines of all kinds is not to be had on one. */
const cases: readonly { name: string; script: string; told: RegExp }[] = [
  {
    name: "one that starts is told, and what it would take",
    script: '[ "$4" = do ] || [ "$5" = do ]',
    told: /^gVisor starts here \(.*runsc\), and this agent cannot run instances in it yet$/,
  },
  {
    name: "one that does not start is told in its own last words",
    script: "echo creating container: >&2; echo cannot read client sync file: EOF >&2; exit 128",
    told: /^gVisor \(.*runsc\) does not start here: cannot read client sync file: EOF$/,
  },
  {
    name: "one that says nothing is told by how it ended",
    script: "exit 3",
    told: /does not start here: .*Command failed/,
  },
];
for (const { name, script, told } of cases)
  test(name, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "gvisor-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const program = join(folder, "runsc");
    await writeFile(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    assert.match(await toldOf(program), told);
    assert.deepEqual(await readdir(folder), ["runsc"]);
  });

test("one that is not where it is said to be is told", async () => {
  assert.match(await toldOf("/nowhere/runsc"), /does not start here: .*ENOENT/);
});

test("one that hangs is ended with whoever looks for it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "gvisor-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const program = join(folder, "runsc");
  await writeFile(program, `#!/bin/sh\necho $$ >${folder}/pid\nexec sleep 600\n`, { mode: 0o755 });
  const known = t.mock.fn();
  const { told, stop } = lookForGvisor(true, program, known);
  let pid = 0;
  await eventually(async () => {
    pid = Number(await readFile(join(folder, "pid"), "utf8").catch(() => ""));
    return pid > 0;
  });
  stop();
  await eventually(async () => !(await isAlive(pid)));
  assert.equal(told(), "whether gVisor starts here is not known yet");
  assert.equal(known.mock.callCount(), 0);
});

async function toldOf(program: string): Promise<string> {
  const known = Promise.withResolvers<void>();
  const { told } = lookForGvisor(true, program, known.resolve);
  await known.promise;
  return told();
}
