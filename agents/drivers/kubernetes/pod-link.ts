import type { Socket } from "node:net";
import { once } from "node:events";
import { Value } from "typebox/value";
import { POD_FRAME_KIND, type PodHello, PodReport } from "#lib/contracts/pod-frames.ts";
import { encodeFrame, type Frame, parseJson } from "#lib/frames.ts";
import type { PackedCode } from "./pack-code.ts";

const PING_INTERVAL_MS = 2_000;
/** Counted in this process's own ticks, so that a pause of the agent is not taken for one of the pod. */
const SILENT_TICKS_MAX = 5;

/** The connection to the launcher in a pod. */
export interface PodLink {
  readonly host: NonNullable<PodHello["host"]>;
  readonly running: PodHello["running"];
  /** Resolves when all of it is on its way, no faster than the pod takes it. */
  readonly sendCode: (code: PackedCode) => Promise<void>;
  readonly send: (kind: "welcome" | "start" | "greet" | "end", said: object) => void;
  readonly receive: (frame: Frame) => void;
  readonly close: () => void;
}

export interface PodLinkOptions {
  readonly socket: Socket;
  readonly hello: PodHello;
  readonly onReport: (report: PodReport) => void;
  /** Nothing comes any more. */
  readonly onClosed: () => void;
}

export function podLink({ socket, hello, onReport, onClosed }: PodLinkOptions): PodLink {
  let silentTicks = 0;
  const send = (kind: keyof typeof POD_FRAME_KIND, said: object): void => {
    if (!socket.writable) return;
    socket.write(encodeFrame(POD_FRAME_KIND[kind], 0, [Buffer.from(JSON.stringify(said))]));
  };
  const pinging = setInterval(() => {
    silentTicks += 1;
    if (silentTicks > SILENT_TICKS_MAX) socket.destroy();
    else send("ping", {});
  }, PING_INTERVAL_MS);
  socket.once("close", () => {
    clearInterval(pinging);
    onClosed();
  });
  return {
    host: hello.host ?? { node: "node", runtimes: "agents/runtimes" },
    running: hello.running,
    send,
    sendCode: async ({ digest, files, contents }) => {
      send("code", { digest, files });
      for await (const part of contents()) {
        if (!socket.writable) return;
        if (!socket.write(encodeFrame(POD_FRAME_KIND.part, 0, [part])))
          await Promise.race([once(socket, "drain"), once(socket, "close")]);
      }
    },
    receive: ({ kind, payload }) => {
      silentTicks = 0;
      if (kind !== POD_FRAME_KIND.report) return;
      onReport(Value.Parse(PodReport, parseJson(payload)));
    },
    close: () => socket.destroy(),
  };
}
