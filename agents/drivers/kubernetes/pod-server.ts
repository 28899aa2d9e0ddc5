import { once } from "node:events";
import { createServer, type TLSSocket } from "node:tls";
import { Value } from "typebox/value";
import { POD_FRAME_KIND, PodHello } from "#lib/contracts/pod-frames.ts";
import { type Frame, parseJson } from "#lib/frames.ts";
import { instanceFrameReader } from "../frames.ts";
import type { AgentIdentity } from "./agent-identity.ts";

/** Two for each pod, of some thousands. */
const LINKS_MAX = 8_192;
/** Whoever connects says who it is, or is sent away. */
const HELLO_LIMIT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;

export type ReceiveFrame = (frame: Frame) => void;

export interface PodServerOptions {
  readonly host: string;
  readonly port: number;
  readonly identity: AgentIdentity;
  /** A pod connected; the result receives what it says next, and undefined refuses it. */
  readonly onHello: (hello: PodHello, socket: TLSSocket) => ReceiveFrame | undefined;
}

/** Where pods connect to: over TLS, so that they know whom they tell their token, and nobody else reads what they are given. */
export async function listenForPods({ host, port, identity, onHello }: PodServerOptions) {
  const sockets = new Set<TLSSocket>();
  const server = createServer(
    {
      cert: identity.certificate,
      key: identity.privateKey,
      minVersion: "TLSv1.3",
      handshakeTimeout: HELLO_LIMIT_MS,
    },
    (socket) => {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      const limit = setTimeout(() => socket.destroy(), HELLO_LIMIT_MS);
      socket.on("close", () => {
        clearTimeout(limit);
        sockets.delete(socket);
      });
      socket.on("error", () => socket.destroy());
      let receive: ReceiveFrame | undefined;
      const read = instanceFrameReader((frame) => {
        if (receive !== undefined) return receive(frame);
        clearTimeout(limit);
        const hello = readHello(frame);
        receive = hello === undefined ? undefined : onHello(hello, socket);
        if (receive === undefined) socket.destroy();
        return undefined;
      });
      socket.on("data", (chunk: Buffer) => {
        if (socket.destroyed) return;
        try {
          read(chunk);
        } catch {
          // Not the frames we know: what is in the pod is ended for its broken link.
          socket.destroy();
        }
      });
    },
  );
  // Of handshakes that fail: others than pods may find the port.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.maxConnections = LINKS_MAX;
  server.listen(port, host);
  await once(server, "listening");
  return {
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function readHello({ kind, payload }: Frame): PodHello | undefined {
  const said = kind === POD_FRAME_KIND.hello ? parseJson(payload) : undefined;
  return Value.Check(PodHello, said) ? said : undefined;
}
