/*
 * The settings of an instance: one line on standard input. A runner that is pooled is told less at first: it does once what a first
 * call needs, says that it waits, and is told whose it is by a second line.
 */
const { writeSync } = process.getBuiltinModule("node:fs");

const lines = readLines();

/** `exercise` does what is slow the first time. */
export async function readSettings(exercise) {
  const settings = await nextLine();
  if (!settings.isPooled) return settings;
  // They are opened by being looked at.
  void [process.stdout, process.stderr];
  await exercise(settings);
  writeSync(1, "pooled\n");
  const { environment, directory, ...own } = await nextLine();
  Object.assign(process.env, environment);
  process.chdir(directory);
  return own;
}

/** The launcher holds the other end: its end is the end of this process. */
function readLines() {
  const waiting = [];
  let text = "";
  process.stdin.setEncoding("utf8");
  process.stdin.on("close", () => process.exit(0));
  process.stdin.on("error", () => process.exit(0));
  process.stdin.on("data", (chunk) => {
    text += chunk;
    if (!text.endsWith("\n")) return;
    waiting.shift()?.(JSON.parse(text));
    text = "";
  });
  return waiting;
}

const nextLine = () => new Promise((resolve) => lines.push(resolve));
