/*
 * Started like any function: tries what an instance must not be able to do, and tells what came of it. `holds` means that it failed,
 * as it should.
 */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { setPriority } from "node:os";

const CONNECT_LIMIT_MS = 300;
const DESCRIPTORS = 100_000;
const PROCESSES = 200;
const OWN_PROCESSES_MAX = 16;
const TEMPORARY_BYTES_MAX = 1024 ** 3;
const MEBIBYTE = 1024 ** 2;

export async function handler(event) {
  // Whoever waits for an answer goes first.
  setPriority(19);
  switch (event.act) {
    case "leave":
      writeFileSync(event.neighbourFile, "a neighbour's");
      return [];
    case "exceed-memory":
      return exceedMemory(event.megabytes);
    case "fork":
      return [forkMany()];
    default:
      return tryAll(event);
  }
}

async function tryAll({ agentPid, agentUser, agentFile, neighbourFile, port, abstractName }) {
  const status = readStatus();
  return [
    exhaustDescriptors(),
    {
      name: "own-user",
      holds: process.getuid() !== agentUser || isMapped(),
      evidence: `user ${process.getuid()}, the agent's is ${agentUser}`,
    },
    {
      name: "gain-privileges",
      holds: status.NoNewPrivs === "1",
      evidence: `NoNewPrivs is ${status.NoNewPrivs}`,
    },
    refused(
      "read-agent-files",
      () => `read ${readFileSync(agentFile).length} bytes of ${agentFile}`,
    ),
    refused(
      "signal-agent",
      () => `process ${agentPid} could be signalled: ${process.kill(agentPid, 0)}`,
    ),
    {
      name: "have-capabilities",
      holds: [status.CapEff, status.CapPrm, status.CapBnd].every((set) => /^0+$/.test(set)),
      evidence: `effective ${status.CapEff}, bounding ${status.CapBnd}`,
    },
    listProcesses(),
    refused(
      "read-neighbour",
      () => `read ${readFileSync(neighbourFile).length} bytes of ${neighbourFile}`,
    ),
    writeOutside(),
    temporarySize(),
    {
      name: "filtered-calls",
      holds: status.Seccomp === "2",
      evidence: `Seccomp is ${status.Seccomp}`,
    },
    refused("ptrace", () => {
      closeSync(openSync(`/proc/${agentPid}/mem`, "r+"));
      return `the memory of process ${agentPid} could be opened`;
    }),
    // Where it works, in a namespace of its own: the whole machine would lose its /tmp to it.
    program("mount", "unshare", "--mount", "mount", "-t", "tmpfs", "none", "/tmp"),
    program("mount", "unshare", "--user", "--map-root-user", "--mount", "true"),
    await unreachable("reach-agent-port", `127.0.0.1:${port}`, { host: "127.0.0.1", port }),
    await unreachable("reach-metadata", "169.254.169.254:80", {
      host: "169.254.169.254",
      port: 80,
    }),
    await unreachable("reach-abstract-socket", `@${abstractName}`, { path: `\0${abstractName}` }),
  ];
}

function readStatus() {
  const lines = readFileSync("/proc/self/status", "utf8").split("\n");
  return Object.fromEntries(lines.map((line) => line.split(":\t")));
}

/** In a user namespace the agent's own number can stand for nobody outside. */
const isMapped = () =>
  !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));

function refused(name, attempt) {
  try {
    return { name, holds: false, evidence: attempt() };
  } catch (error) {
    return { name, holds: true, evidence: error.message };
  }
}

function exhaustDescriptors() {
  const opened = [];
  const outcome = refused("exhaust-descriptors", () => {
    while (opened.length < DESCRIPTORS) opened.push(openSync("/dev/null"));
    return `${DESCRIPTORS} descriptors are open`;
  });
  for (const descriptor of opened) closeSync(descriptor);
  return outcome.holds
    ? { ...outcome, evidence: `${outcome.evidence} after ${opened.length}` }
    : outcome;
}

function listProcesses() {
  const seen = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).length;
  return {
    name: "list-processes",
    holds: seen <= OWN_PROCESSES_MAX,
    evidence: `${seen} processes seen`,
  };
}

function writeOutside() {
  const places = [
    "/",
    "/dev",
    "/etc",
    "/run",
    "/run/meridian",
    "/usr",
    "/var/runtime",
    process.cwd(),
  ];
  const open = places.filter((place) => {
    try {
      writeFileSync(`${place}/meridian-canary`, "", { flag: "wx" });
      return true;
    } catch {
      return false;
    }
  });
  const evidence =
    open.length === 0 ? `none of ${places.join(", ")}` : `wrote into ${open.join(", ")}`;
  return { name: "write-outside-tmp", holds: open.length === 0, evidence };
}

function temporarySize() {
  const { blocks, bsize } = statfsSync("/tmp");
  const bytes = blocks * bsize;
  return {
    name: "fill-tmp",
    holds: bytes <= TEMPORARY_BYTES_MAX,
    evidence: `/tmp holds ${Math.round(bytes / MEBIBYTE)} MB`,
  };
}

function program(name, command, ...words) {
  const { status, stderr, error } = spawnSync(command, words, { encoding: "utf8" });
  const said = (error?.message ?? stderr).trim().split("\n")[0];
  return {
    name,
    holds: status !== 0,
    evidence: status === 0 ? `${command} works` : `${command}: ${said}`,
  };
}

function unreachable(name, shown, address) {
  const { promise, resolve } = Promise.withResolvers();
  const socket = connect({ ...address, timeout: CONNECT_LIMIT_MS });
  socket.on("connect", () => resolve({ name, holds: false, evidence: `connected to ${shown}` }));
  socket.on("error", (error) => resolve({ name, holds: true, evidence: error.message }));
  socket.on("timeout", () => resolve({ name, holds: true, evidence: `${shown} does not answer` }));
  return promise.finally(() => socket.destroy());
}

/** By a shell, which needs little for a process; they end soon, and with this instance at the latest. */
function forkMany() {
  const script = `n=0; while [ $n -lt ${PROCESSES} ]; do sleep 5 >/dev/null 2>&1 & n=$((n+1)); echo $n; done`;
  const { stdout } = spawnSync("/bin/sh", ["-c", script], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const forked = Number(stdout.trim().split("\n").at(-1));
  return {
    name: "fork-200",
    holds: forked < PROCESSES,
    evidence: `${forked} of ${PROCESSES} processes were started`,
  };
}

/** Comes back only where nothing ended it. */
function exceedMemory(megabytes) {
  const held = [];
  for (let each = 0; each < megabytes; each += 16) held.push(Buffer.alloc(16 * MEBIBYTE, 1));
  return [{ name: "exceed-memory", holds: false, evidence: `${held.length * 16} MB were held` }];
}
