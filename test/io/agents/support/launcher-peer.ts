import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { readJsonLines } from "#lib/io/json-lines.ts";
import type {
  FromLauncher,
  LauncherSettings,
  ToLauncher,
} from "../../../../agents/launcher/messages.ts";
import { eventually, undoLater } from "./agent-world.ts";

const MAIN = join(import.meta.dirname, "../../../../agents/launcher/main.ts");
export const LAUNCHER_TOKEN = "token";

interface LauncherWorld {
  readonly settings: LauncherSettings;
  readonly launcher: ChildProcess;
  /** What it complained of. */
  readonly log: () => string;
  readonly connect: () => Promise<LauncherPeer>;
}

interface LauncherPeer {
  readonly socket: Socket;
  readonly say: (message: ToLauncher) => void;
  /** The next message of that kind. */
  readonly hear: <Kind extends FromLauncher["kind"]>(
    kind: Kind,
  ) => Promise<Extract<FromLauncher, { kind: Kind }>>;
  /** All that came so far. */
  readonly heard: readonly FromLauncher[];
  readonly closed: Promise<void>;
}

/** A launcher without an agent. */
export async function startLauncher(t: TestContext): Promise<LauncherWorld> {
  const folder = await mkdtemp(join(tmpdir(), "launcher-"));
  undoLater(t, () => rm(folder, { recursive: true, force: true }));
  const settings: LauncherSettings = {
    socketPath: join(folder, "l.sock"),
    token: LAUNCHER_TOKEN,
    graceMs: 5_000,
    mark: folder.replaceAll("/", "-"),
    pid: 0,
  };
  const path = join(folder, "launcher.json");
  await writeFile(path, JSON.stringify(settings));
  const launcher = spawn(process.execPath, ["--max-old-space-size=64", MAIN, path], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  launcher.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  const exited = once(launcher, "exit");
  undoLater(t, async () => {
    launcher.kill("SIGTERM");
    await exited;
  });
  const open = async (): Promise<LauncherPeer> => {
    const socket = connect(settings.socketPath);
    await once(socket, "connect");
    socket.on("error", () => undefined);
    undoLater(t, () => socket.destroy());
    return peerOn(socket);
  };
  await eventually(() =>
    open().then(
      ({ socket }) => socket.destroy().destroyed,
      () => false,
    ),
  );
  return { settings, launcher, log: () => log, connect: open };
}

function peerOn(socket: Socket): LauncherPeer {
  const heard: FromLauncher[] = [];
  let taken = 0;
  const read = async (): Promise<void> => {
    for await (const line of readJsonLines(socket)) heard.push(line as FromLauncher);
  };
  const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
  read().catch(() => undefined);
  return {
    socket,
    heard,
    closed,
    say: (message) => socket.write(`${JSON.stringify(message)}\n`),
    hear: async <Kind extends FromLauncher["kind"]>(kind: Kind) => {
      type Wanted = Extract<FromLauncher, { kind: Kind }>;
      let found: Wanted | undefined;
      await eventually(() => {
        for (; found === undefined && taken < heard.length; taken += 1)
          if (heard[taken]?.kind === kind) found = heard[taken] as Wanted;
        return found !== undefined;
      });
      return found as Wanted;
    },
  };
}
