import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

/** A wire that can be made to fail. Each fault holds for the connections there are and those that come, until `heal`. */
export interface FaultProxy {
  readonly url: string;
  readonly connections: () => number;
  /** Connections cut by `cutAfter` so far. */
  readonly cuts: () => number;
  /** Each connection is cut once so many bytes of answers have passed on it. */
  readonly cutAfter: (bytes: () => number) => void;
  /** Connections stay, and nothing passes either way. */
  readonly blackHole: () => void;
  /** What is asked arrives; what is answered does not, but for the first bytes of a connection, with which the two sides greet. */
  readonly dropReplies: (afterBytes?: number) => void;
  readonly delayReplies: (delayMs: number) => void;
  /** Bytes held back are lost, as they would be: the connections that missed any are cut. */
  readonly heal: () => void;
  readonly cutAll: () => void;
  /** What connects from now on reaches another place; what is connected is cut. */
  readonly redirect: (target: string) => void;
}

type Fault =
  | { readonly kind: "none" }
  | { readonly kind: "black-hole" }
  | { readonly kind: "drop-replies"; readonly afterBytes: number }
  | { readonly kind: "delay"; readonly delayMs: number };

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  bytesLeft: number;
  bytesPassed: number;
  hasLostQuestions: boolean;
  hasLostAnswers: boolean;
}

/** A TCP proxy on loopback in front of `target`, closed with the test. */
export async function startFaultProxy(
  t: Pick<TestContext, "after">,
  target: string,
): Promise<FaultProxy> {
  let place = new URL(target);
  const links = new Set<Link>();
  let fault: Fault = { kind: "none" };
  let nextLimit = noLimit;
  let cuts = 0;

  const cut = (link: Link): void => {
    links.delete(link);
    link.client.resetAndDestroy();
    link.server.destroy();
  };
  const ask = (link: Link, chunk: Buffer): void => {
    // After a gap nothing that follows makes sense any more.
    link.hasLostQuestions ||= fault.kind === "black-hole";
    if (!link.hasLostQuestions) link.server.write(chunk);
  };
  const reply = async (link: Link, chunk: Buffer): Promise<void> => {
    if (fault.kind === "delay") {
      link.server.pause();
      await delay(fault.delayMs);
      link.server.resume();
    }
    const isDropped =
      fault.kind === "black-hole" ||
      (fault.kind === "drop-replies" && link.bytesPassed >= fault.afterBytes);
    link.hasLostAnswers ||= isDropped;
    if (link.hasLostAnswers) return;
    const passing = chunk.subarray(0, link.bytesLeft);
    link.bytesLeft -= passing.length;
    link.bytesPassed += passing.length;
    if (!link.client.write(passing)) {
      link.server.pause();
      link.client.once("drain", () => link.server.resume());
    }
    if (passing.length === chunk.length) return;
    // What has passed is let arrive first.
    await delay(0);
    cuts += 1;
    cut(link);
  };

  const server = createServer((client) => {
    const link: Link = {
      client,
      server: connect(Number(place.port), place.hostname),
      bytesLeft: nextLimit(),
      bytesPassed: 0,
      hasLostQuestions: false,
      hasLostAnswers: false,
    };
    links.add(link);
    client.on("data", (chunk: Buffer) => ask(link, chunk));
    link.server.on("data", (chunk: Buffer) => void reply(link, chunk));
    for (const socket of [client, link.server]) {
      socket.on("error", () => cut(link));
      socket.on("close", () => cut(link));
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cutAll = (): void => links.forEach(cut);
  t.after(async () => {
    cutAll();
    server.close();
    await once(server, "close");
  });

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => links.size,
    cuts: () => cuts,
    cutAfter: (bytes) => {
      nextLimit = bytes;
      for (const link of links) link.bytesLeft = bytes();
    },
    blackHole: () => (fault = { kind: "black-hole" }),
    dropReplies: (afterBytes = 0) => (fault = { kind: "drop-replies", afterBytes }),
    delayReplies: (delayMs) => (fault = { kind: "delay", delayMs }),
    heal: () => {
      fault = { kind: "none" };
      nextLimit = noLimit;
      for (const link of links) {
        link.bytesLeft = Number.POSITIVE_INFINITY;
        if (link.hasLostQuestions || link.hasLostAnswers) cut(link);
      }
    },
    cutAll,
    redirect: (elsewhere) => {
      place = new URL(elsewhere);
      cutAll();
    },
  };
}

const noLimit = (): number => Number.POSITIVE_INFINITY;
