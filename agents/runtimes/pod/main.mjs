/*
 * The first process of a pod: connects to the agent, is given code and a command, runs that and reports of it, and passes the frames
 * between our runner and the agent on. Frames are those of lib/contracts/pod-frames.ts. No dependencies, no build step.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { connect } from "node:tls";
import { dirname, join } from "node:path";
import { frameReader } from "../node/frame-reader.mjs";
import { codeWriter } from "./write-code.mjs";
import { findPython } from "./find-python.mjs";

const HELLO = 32;
const REPORT = 33;
const PONG = 34;
const WELCOME = 48;
const CODE = 49;
const PART = 50;
const START = 51;
const GREET = 52;
const PING = 53;
const END = 54;

const RUNTIMES = dirname(import.meta.dirname);
const TASK = "/var/task";
const SOCKET = "/tmp/.meridian/agent.sock";
const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 500;
const OUTPUT_CHARACTERS_MAX = 16_384;
/** A child of the process that left its group may hold the pipes. */
const LAST_PRINT_MS = 100;
const LAST_WORDS_MS = 1_000;

const {
  MERIDIAN_AGENT: address,
  MERIDIAN_AGENT_CERTIFICATE: certificate,
  MERIDIAN_AGENT_GRACE_MS: graceMs,
  MERIDIAN_POD: pod,
  MERIDIAN_POD_RUNTIME: runtime,
  MERIDIAN_POD_TOKEN: token,
} = process.env;
// What runs here is somebody else's.
for (const name of Object.keys(process.env))
  if (name.startsWith("MERIDIAN_")) delete process.env[name];

/** Of the runner's connections: done once all of each is on its way. */
const lastWords = new Set();
let word = token;
let control;
let retryMs = RETRY_MIN_MS;
let child;
let held;
let code;
let forsaken;
const oomKillsBefore = oomKills();

// The agent decides when a pod ends, also one that its node wants to be rid of: what runs may finish in the time it is given.
process.on("SIGTERM", () => {
  if (child === undefined) process.exit(0);
});
await mkdir(dirname(SOCKET), { recursive: true });
createServer(passOn).listen(SOCKET);
const python = runtime === "python" ? await findPython() : undefined;
dialAgent();

/** A connection of its own for each of the runner's: what it says goes through untouched. */
function passOn(runner) {
  const agent = dial("calls");
  const said = new Promise((resolve) => agent.on("finish", resolve).on("close", resolve));
  lastWords.add(said);
  said.then(() => lastWords.delete(said));
  runner.on("error", () => agent.destroy());
  agent.on("error", () => {}).on("close", () => runner.destroy());
  // Its end ends the other: what was said before still goes out.
  runner.pipe(agent).pipe(runner);
}

/** Whoever has the key of that certificate is the agent; its address proves nothing. */
function dial(link, said = {}) {
  const [host, port] = [
    address.slice(0, address.lastIndexOf(":")),
    Number(address.split(":").at(-1)),
  ];
  const socket = connect({ host, port, ca: certificate, checkServerIdentity: () => undefined });
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 5_000);
  send(socket, HELLO, { pod, word, link, ...said });
  return socket;
}

function dialAgent() {
  forsaken ??= setTimeout(() => process.exit(3), Number(graceMs));
  const host = { node: process.execPath, runtimes: RUNTIMES, python };
  const running = child === undefined ? undefined : { pid: child.pid, held };
  const socket = dial("control", { host, running });
  control = socket;
  socket.on("error", () => {});
  const onFrames = frameReader((kind, _id, payload) => {
    try {
      onFrame(socket, kind, payload);
    } catch (error) {
      refuse(error);
    }
  });
  socket.on("data", onFrames);
  socket.on("close", () => {
    forsaken ??= setTimeout(() => process.exit(3), Number(graceMs));
    setTimeout(dialAgent, retryMs);
    retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
  });
}

function onFrame(socket, kind, payload) {
  switch (kind) {
    case WELCOME:
      word = JSON.parse(payload).pass;
      retryMs = RETRY_MIN_MS;
      clearTimeout(forsaken);
      forsaken = undefined;
      return;
    case CODE:
      code = codeWriter(TASK, JSON.parse(payload));
      return;
    case PART:
      return code.write(payload);
    case START:
      return start(JSON.parse(payload));
    case GREET:
      return greet(JSON.parse(payload));
    case PING:
      return send(socket, PONG, {});
    case END:
      end();
  }
}

function start({ command, environment, directory, greeting, heldNote }) {
  held = heldNote;
  code?.finish();
  child = spawn(command[0], command.slice(1), { cwd: directory, env: environment, detached: true });
  child.on("error", refuse);
  if (child.pid === undefined) return;
  child.stdin.on("error", () => {});
  if (greeting === undefined) child.stdin.end();
  else child.stdin.write(`${greeting}\n`);
  for (const stream of [child.stdout, child.stderr])
    stream
      .setEncoding("utf8")
      .on("data", (text) => report({ kind: "output", text: text.slice(-OUTPUT_CHARACTERS_MAX) }));
  child.once("exit", (exitCode, signal) => {
    endAll();
    const over = {
      kind: "exited",
      code: exitCode,
      signal,
      isOutOfMemory: oomKills() > oomKillsBefore,
    };
    const printed = new Promise((resolve) => child.once("close", resolve));
    void leave(over, printed);
  });
  report({ kind: "started", pid: child.pid });
}

/** Its end is reported after what it said and printed before; nobody waits for that for long. */
async function leave(over, printed) {
  const limit = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  await Promise.race([printed, limit(LAST_PRINT_MS)]);
  await Promise.race([Promise.all(lastWords), limit(LAST_WORDS_MS)]);
  report(over);
  await Promise.race([new Promise((resolve) => control.end(resolve)), limit(LAST_WORDS_MS)]);
  process.exit(0);
}

function greet({ greeting, heldNote }) {
  held = heldNote;
  code?.finish();
  child?.stdin.write(`${greeting}\n`);
}

function refuse(error) {
  report({ kind: "not-started", reason: String(error.message ?? error) });
}

/** The exit that this causes is reported before the pod ends. */
function end() {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null)
    process.exit(0);
  endAll();
}

/** As the first process of its pod it reaches all others; elsewhere only the group of the one it started. */
function endAll() {
  try {
    process.kill(process.pid === 1 ? -1 : -child.pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}

function report(said) {
  if (!control.destroyed) send(control, REPORT, said);
}

function send(socket, kind, said) {
  const bytes = Buffer.from(JSON.stringify(said));
  const head = Buffer.allocUnsafe(9);
  head.writeUInt32BE(5 + bytes.length, 0);
  head.writeUInt8(kind, 4);
  head.writeUInt32BE(0, 5);
  socket.write(Buffer.concat([head, bytes]));
}

/** Of this container, by the kernel's own count, where it tells; both versions of control groups. */
function oomKills() {
  for (const file of ["memory.events", "memory/memory.oom_control"])
    try {
      const text = readFileSync(join("/sys/fs/cgroup", file), "utf8");
      return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
    } catch {
      // The other one, or none.
    }
  return 0;
}
