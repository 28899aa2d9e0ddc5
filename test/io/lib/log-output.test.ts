import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { logOutput } from "#lib/io/log-output.ts";
import { until } from "../federator/support/until.ts";

const run = promisify(execFile);
const DISK_BYTES = 256 * 1024;
const lineOf = (number: number): string => `{"number":${number},"text":"${"x".repeat(100)}"}\n`;

test("on a full disk lines are dropped and counted; once there is space, they come again", async (context) => {
  const folder = await temporaryFolder(context);
  const reason = await mountDisk(folder);
  if (reason !== undefined) return context.skip(reason);
  const ballast = join(folder, "somebody-elses");
  await writeFile(ballast, Buffer.alloc(DISK_BYTES / 2));
  const { file, output, lost } = openOutput(context, folder);

  const written = 5_000;
  for (let number = 0; number < written; number++) output.write(lineOf(number));
  await untilQuiet(file);
  output.flushSync();
  assert.equal(lost(), 0, "nothing can be said yet");

  await rm(ballast);
  output.write(lineOf(written));
  await until("the loss is told", async () => lost() > 0);
  const whole = await wholeLines(file);
  assert.ok(whole.length > 100, `${whole.length} lines were written`);
  assert.equal(whole.length + lost(), written + 1);
  assert.equal(whole.at(-1), written);
});

test("a pipe that nobody reads stops neither the program nor its end; what waits is bounded", async (context) => {
  const folder = await temporaryFolder(context);
  const pipe = join(folder, "pipe");
  await run("mkfifo", [pipe]);
  const { output, lost } = openOutput(context, folder, pipe);
  const written = 20_000;
  for (let number = 0; number < written; number++) output.write(lineOf(number));

  const numbers: number[] = [];
  const reader = await open(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  context.after(() => reader.close());
  let rest = "";
  await until("the loss is told", async () => {
    const chunk = await reader.read({ buffer: Buffer.alloc(65_536) }).catch(() => undefined);
    const lines = (rest + (chunk?.buffer.toString("utf8", 0, chunk.bytesRead) ?? "")).split("\n");
    rest = lines.pop() ?? "";
    numbers.push(...lines.map(numberIn));
    return lost() > 0 && numbers.length + lost() === written;
  });
  assert.deepEqual(
    numbers,
    numbers.toSorted((one, other) => one - other),
  );
});

test("a program that exits right after a line has written it", async (context) => {
  const folder = await temporaryFolder(context);
  const file = join(folder, "program.log");
  const fd = openSync(file, "a");
  const program = `
    const { jsonLog } = await import("#lib/io/json-log.ts");
    const log = jsonLog("gateway", null, "info");
    for (let number = 0; number < 300; number++) log.info({ number }, "said");
    log.fatal({ number: 300 }, "ending");
    log.info({ number: 301 }, "after all");
    process.exit(1);
  `;
  const ended = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", fd, "inherit"],
  });
  closeSync(fd);
  assert.equal(ended.status, 1);
  const numbers = await wholeLines(file);
  assert.deepEqual(
    numbers.toSorted((one, other) => one - other),
    Array.from({ length: 302 }, (_, number) => number),
  );
});

function openOutput(context: TestContext, folder: string, path = join(folder, "program.log")) {
  const isPipe = path.endsWith("pipe");
  const fd = openSync(path, isPipe ? constants.O_RDWR : "a");
  context.after(() => closeSync(fd));
  let lostLines = 0;
  const output = logOutput({ fd, batchBytes: 0, onLost: (lines) => (lostLines += lines) });
  return { file: path, output, lost: () => lostLines };
}

/** Until the file has not grown for some readings. */
async function untilQuiet(file: string): Promise<void> {
  let bytes = -1;
  let alike = 0;
  await until("nothing more is written", async () => {
    const { length } = await readFile(file);
    alike = length === bytes ? alike + 1 : 0;
    bytes = length;
    return alike > 20;
  });
}

async function wholeLines(file: string): Promise<number[]> {
  const lines = (await readFile(file, "utf8")).split("\n");
  return lines.map(numberIn).filter((number) => !Number.isNaN(number));
}

function numberIn(line: string): number {
  try {
    return (JSON.parse(line) as { readonly number: number }).number;
  } catch {
    return Number.NaN;
  }
}

async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "meridian-log-"));
  context.after(async () => {
    // Only one of the tests has mounted something there.
    await run("umount", ["-l", folder]).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Why a small disk of its own could not be had, if so. */
async function mountDisk(folder: string): Promise<string | undefined> {
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "meridian-test", folder]);
    return undefined;
  } catch (error) {
    return `a disk of its own could not be mounted: ${String(error).split("\n", 1)[0]}`;
  }
}
