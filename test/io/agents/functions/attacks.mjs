import { execFileSync, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";

const refused = (attempt) => {
  try {
    return attempt();
  } catch (error) {
    return error.code ?? "failed";
  }
};

/** Each tells what came of its attempt. */
const ATTACKS = {
  nothing: () => "fine",
  read: ({ path }) => refused(() => readFileSync(path, "utf8")),
  write: ({ path }) => refused(() => writeFileSync(path, "mine") ?? "written"),
  signal: ({ pid }) => refused(() => process.kill(pid, 0)),
  processes: () => readdirSync("/proc").filter((name) => /^\d+$/.test(name)).length,
  environment: () => process.env,
  // Reaches for the machine's own processes over what it inherits.
  shell: ({ script }) =>
    refused(() => execFileSync("/bin/sh", ["-c", script], { encoding: "utf8" })),
  connect: ({ host, port, path }) => {
    const { promise, resolve } = Promise.withResolvers();
    const socket = connect({ host, port, path, timeout: 2_000 });
    socket.on("connect", () => resolve("connected"));
    socket.on("error", (error) => resolve(error.code));
    socket.on("timeout", () => resolve("silence"));
    return promise.finally(() => socket.destroy());
  },
  squat: ({ port }) => {
    const { promise, resolve } = Promise.withResolvers();
    createServer()
      .listen(port, "127.0.0.1", () => resolve("listens"))
      .on("error", (error) => resolve(error.code));
    return promise;
  },
  forks: () => {
    for (let count = 0; count < 1_000; count += 1)
      spawn("sleep", ["60"], { stdio: "ignore" }).on("error", () => {});
    return "forked";
  },
  memory: () => {
    const held = [];
    for (;;) held.push(Buffer.alloc(8 * 1_048_576, 1));
  },
  disk: () => {
    const file = openSync("/tmp/much", "w");
    const much = Buffer.alloc(8 * 1_048_576, 1);
    for (;;) writeFileSync(file, much);
  },
  descriptors: () => {
    const opened = [];
    const outcome = refused(() => {
      for (;;) opened.push(openSync("/dev/null"));
    });
    for (const descriptor of opened) closeSync(descriptor);
    return outcome;
  },
  lingers: () => {
    spawn("/bin/sh", ["-c", "sleep 2147"], { detached: true, stdio: "ignore" }).unref();
    return "left something";
  },
};

export const handler = async (event) => ({ seen: await ATTACKS[event.attack](event) });
