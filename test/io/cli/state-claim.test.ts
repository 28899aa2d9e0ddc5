import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { claimState } from "../../../cli/up/claim-state.ts";
import { findTakenPort, holderOfPort } from "../../../cli/up/io/listening-ports.ts";
import { takeFileLock } from "#lib/io/file-lock.ts";
import { temporaryFolder } from "./temporary-folder.ts";

test("a state folder has one holder at a time, and goes with it however it dies", async (context) => {
  const folder = await temporaryFolder(context);
  const file = join(folder, "lock.sqlite");
  const other = await lockInAnotherProcess(context, file);
  assert.equal(takeFileLock(file), undefined);

  other.kill("SIGKILL");
  await once(other, "exit");
  const lock = takeFileLock(file);
  assert.ok(lock !== undefined);
  lock.release();
});

test("a locked state is refused with who has it, before its ports are looked at", async (context) => {
  const folder = await temporaryFolder(context);
  await lockInAnotherProcess(context, join(folder, "lock.sqlite"));
  await mkdir(join(folder, "run"));
  const holder = { pid: 4_242, endpoint: "http://127.0.0.1:8080", socketPath: "/tmp/up.sock" };
  await writeFile(join(folder, "run/up.json"), JSON.stringify(holder));
  const { port } = await listen(context);
  await assert.rejects(claimState(folder, [port]), /in use by another.*process 4242.*--state/);
});

test("a busy port is refused with who has it, and a new folder is not even made", async (context) => {
  const parent = await temporaryFolder(context);
  const { port } = await listen(context);
  const refusal = await claimState(join(parent, "state"), [port]).catch((error: unknown) => error);
  assert.match(String(refusal), new RegExp(`port ${port} is in use`));
  if (process.platform === "linux")
    assert.match(String(refusal), new RegExp(`process ${process.pid} `));
  assert.deepEqual(await readdir(parent), []);
});

test("a busy port leaves a known folder unlocked", async (context) => {
  const folder = await temporaryFolder(context);
  (await claimState(folder, [])).release();
  const { port } = await listen(context);
  await assert.rejects(claimState(folder, [port]));
  (await claimState(folder, [])).release();
});

test("a port that others share is taken all the same", async (context) => {
  const { port } = await listen(context, { reusePort: true });
  assert.equal(await findTakenPort([port]), port);
});

test("nobody holds a free port", async (context) => {
  const { server, port } = await listen(context);
  server.close();
  await once(server, "close");
  assert.equal(await findTakenPort([port]), undefined);
  assert.equal(holderOfPort(port), undefined);
});

async function listen(
  context: TestContext,
  options: { readonly reusePort?: boolean } = {},
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer().listen({ port: 0, host: "127.0.0.1", ...options });
  context.after(() => server.close());
  await once(server, "listening");
  const address = server.address();
  return { server, port: typeof address === "object" && address !== null ? address.port : 0 };
}

async function lockInAnotherProcess(context: TestContext, file: string): Promise<ChildProcess> {
  const module = new URL("../../../lib/io/file-lock.ts", import.meta.url).href;
  const script = `const { takeFileLock } = await import(${JSON.stringify(module)});
    globalThis.lock = takeFileLock(${JSON.stringify(file)});
    process.stdout.write(globalThis.lock === undefined ? "refused" : "locked");
    setInterval(() => undefined, 1_000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(() => child.kill("SIGKILL"));
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  assert.equal(said.toString(), "locked");
  return child;
}
