import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  LINK_CREDIT_BYTES,
  LINK_FEATURE_STREAMS,
  LINK_FEATURES_HEADER,
  LINK_FRAME,
  LINK_FRAME_BYTES_MAX,
  type LinkAnswer,
  type LinkCall,
} from "#lib/contracts/link-frames.ts";
import { encodeFrame, encodeHeadedFrame, frameReader, readHeadedPayload } from "#lib/frames.ts";

/** A call at a stand-in agent, and all that an agent can say of it. */
export interface StandInCall {
  readonly head: LinkCall;
  /** Of the body, as far as it has come. */
  readonly body: () => Buffer;
  /** How its body ended, or that the gateway gave the call up. */
  readonly bodyEnded: Promise<"end" | "broken" | "cancel">;
  readonly trailers: () => Record<string, string>;
  readonly cancelled: Promise<void>;
  /** What may still be sent of the answer. */
  readonly creditBytes: () => number;
  readonly giveCredit: (bytes: number) => void;
  readonly answer: (head: Omit<LinkAnswer, "isWhole">, beginning?: string) => void;
  readonly answerWhole: (head: Omit<LinkAnswer, "isWhole">, body: string) => void;
  readonly part: (bytes: Uint8Array | string) => void;
  readonly end: (trailers?: Record<string, string>) => void;
  readonly broken: () => void;
  readonly cutLink: () => void;
  /** Says nothing more on it, and reads on. */
  readonly endLink: () => void;
}

/** Says of a call that it was not started, and may be tried elsewhere. */
export function answerNotStarted(call: StandInCall): "refused" {
  const headers = {
    "meridian-executed": "false",
    "meridian-error-code": "MERIDIAN_OVERLOADED",
  };
  call.answerWhole({ status: 503, headers }, "{}");
  return "refused";
}

export interface StreamAgent {
  readonly url: string;
  readonly calls: StandInCall[];
  /** What it does with a call that may start. */
  serve: (call: StandInCall) => void;
  readonly close: () => Promise<void>;
}

export interface StreamAgentOptions {
  readonly features?: string;
  /** What it does with a call before it may start; without: asks for `go` where the call does. */
  readonly beforeStart?: (call: StandInCall) => "refused" | undefined;
}

/** An agent that speaks the link's frames and does with calls as a test tells it. */
export async function startStreamAgent(options: StreamAgentOptions = {}): Promise<StreamAgent> {
  const { features = LINK_FEATURE_STREAMS } = options;
  const sockets = new Set<Socket>();
  const server = createServer((_request, response) => void response.writeHead(204).end());
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (_request: IncomingMessage, connection: Duplex) => {
    connection.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: meridian-link\r\n${LINK_FEATURES_HEADER}: ${features}\r\n\r\n`,
    );
    serveLink(connection, agent, options);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const agent: StreamAgent = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: [],
    serve: (call) => call.answerWhole({ status: 200, headers: {} }, "ok"),
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return agent;
}

interface Ends {
  readonly onFrame: (kind: number, payload: Buffer) => void;
  readonly call: StandInCall;
}

function serveLink(connection: Duplex, agent: StreamAgent, options: StreamAgentOptions): void {
  const calls = new Map<number, Ends>();
  connection.on("error", () => connection.destroy());
  const read = frameReader(LINK_FRAME_BYTES_MAX, ({ kind, callId, payload }) => {
    if (kind !== LINK_FRAME.call) return calls.get(callId)?.onFrame(kind, payload);
    const { head, body } = readHeadedPayload(payload);
    const ends = openCall(callId, head as LinkCall, body, connection);
    calls.set(callId, ends);
    agent.calls.push(ends.call);
    if (options.beforeStart?.(ends.call) === "refused") return undefined;
    if (ends.call.head.startsOn === "slot") return agent.serve(ends.call);
    connection.write(encodeFrame(LINK_FRAME.ready, callId));
    const { onFrame } = ends;
    calls.set(callId, {
      ...ends,
      onFrame: (its, said) => {
        if (its === LINK_FRAME.go) agent.serve(ends.call);
        else onFrame(its, said);
      },
    });
    return undefined;
  });
  connection.on("data", read);
}

function openCall(callId: number, head: LinkCall, beginning: Buffer, connection: Duplex): Ends {
  const chunks = [beginning];
  const bodyEnded = Promise.withResolvers<"end" | "broken" | "cancel">();
  const cancelled = Promise.withResolvers<void>();
  let trailers: Record<string, string> = {};
  let creditBytes = LINK_CREDIT_BYTES;
  const send = (kind: number, payload: Uint8Array[] = []): void =>
    void connection.write(encodeFrame(kind, callId, payload));
  const begin = (answer: Omit<LinkAnswer, "isWhole">, isWhole: boolean, body: string): void => {
    creditBytes -= Buffer.byteLength(body);
    const its = { ...answer, isWhole };
    connection.write(encodeHeadedFrame(LINK_FRAME.answer, callId, its, Buffer.from(body)));
  };
  return {
    call: {
      head,
      body: () => Buffer.concat(chunks),
      bodyEnded: bodyEnded.promise,
      trailers: () => trailers,
      cancelled: cancelled.promise,
      creditBytes: () => creditBytes,
      giveCredit: (bytes) => {
        const said = Buffer.alloc(4);
        said.writeUInt32BE(bytes);
        send(LINK_FRAME.credit, [said]);
      },
      answer: (its, body = "") => begin(its, false, body),
      answerWhole: (its, body) => begin(its, true, body),
      part: (bytes) => {
        creditBytes -= Buffer.byteLength(bytes);
        send(LINK_FRAME.part, [Buffer.from(bytes)]);
      },
      end: (said) =>
        send(LINK_FRAME.end, said ? [Buffer.from(JSON.stringify({ trailers: said }))] : []),
      broken: () => send(LINK_FRAME.broken),
      cutLink: () => void connection.destroy(),
      endLink: () => void connection.end(),
    },
    onFrame: (kind, payload) => {
      if (kind === LINK_FRAME.part) chunks.push(Buffer.from(payload));
      if (kind === LINK_FRAME.credit) creditBytes += payload.readUInt32BE(0);
      if (kind === LINK_FRAME.end) {
        if (payload.length > 0) ({ trailers } = JSON.parse(payload.toString()));
        bodyEnded.resolve("end");
      }
      if (kind === LINK_FRAME.broken) bodyEnded.resolve("broken");
      if (kind === LINK_FRAME.cancel) {
        cancelled.resolve();
        bodyEnded.resolve("cancel");
      }
    },
  };
}
