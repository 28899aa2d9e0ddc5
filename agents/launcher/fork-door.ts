import { randomBytes } from "node:crypto";
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { basename, dirname } from "node:path";

const WORD_BYTES = 16;
const WORD_CHARACTERS = WORD_BYTES * 2;
const SILENCE_LIMIT_MS = 2_000;

/** How a forked process finds its way here. */
export interface ForkAddress {
  readonly folder: string;
  readonly name: string;
  /** The first that it says. */
  readonly word: string;
}

export interface ForkDoor {
  /** `come` is called once at most, when a process says the word. */
  readonly expect: (come: (socket: Socket) => void) => {
    readonly address: ForkAddress;
    readonly forget: () => void;
  };
  readonly close: () => void;
}

/** Where forked processes get their standard input and output: a socket each, as descriptors cannot be handed to what runs already. */
export function forkDoor(path: string): ForkDoor {
  const expected = new Map<string, (socket: Socket) => void>();
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    const silence = setTimeout(() => socket.destroy(), SILENCE_LIMIT_MS);
    let said = "";
    const listen = (chunk: Buffer): void => {
      said += chunk.toString("latin1");
      if (said.length <= WORD_CHARACTERS) return;
      socket.off("data", listen);
      socket.pause();
      clearTimeout(silence);
      const word = said.slice(0, WORD_CHARACTERS);
      const come = expected.get(word);
      expected.delete(word);
      if (come === undefined) return void socket.destroy();
      const rest = said.slice(WORD_CHARACTERS + 1);
      if (rest !== "") socket.unshift(Buffer.from(rest, "latin1"));
      come(socket);
    };
    socket.on("data", listen);
    socket.once("close", () => clearTimeout(silence));
  });
  // Whoever waits for a process that cannot come does not wait for ever.
  server.on("error", () => undefined);
  server.listen(path, () => chmodSync(path, 0o600));
  return {
    expect: (come) => {
      const word = randomBytes(WORD_BYTES).toString("hex");
      expected.set(word, come);
      return {
        address: { folder: dirname(path), name: basename(path), word },
        forget: () => expected.delete(word),
      };
    },
    close: () => {
      server.close();
      rmSync(path, { force: true });
    },
  };
}
