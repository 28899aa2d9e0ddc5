import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Compile } from "typebox/compile";
import { LINK_FRAME, LINK_FRAME_BYTES_MAX, LinkCall } from "#lib/contracts/link-frames.ts";
import { encodeFrame, type Frame, frameReader, readHeadedPayload } from "#lib/frames.ts";
import { frameWriter } from "#lib/io/frame-writer.ts";
import { type CallOnLink, type CallOnLinkPorts, callOnLink } from "./call-on-link.ts";

export type ServeLinkPorts = Omit<CallOnLinkPorts, "send">;

/** One gateway's link, as its agent has it. */
export interface GatewayLink {
  /** Takes no more calls; resolves when those that run are answered. */
  readonly drain: () => Promise<void>;
  readonly destroy: () => void;
  readonly closed: Promise<void>;
}

const KEEP_ALIVE_PROBE_MS = 10_000;
const linkCall = Compile(LinkCall);

/** Serves calls until the connection ends. It is never closed from here while it is idle: that would put calls in doubt. */
export function serveLink(connection: Duplex, first: Buffer, ports: ServeLinkPorts): GatewayLink {
  const closed = Promise.withResolvers<void>();
  const drained = Promise.withResolvers<void>();
  const writer = frameWriter(connection);
  const calls = new Map<number, CallOnLink>();
  let lastCallId = 0;
  let isDraining = false;

  const begin = (callId: number, payload: Buffer): void => {
    // The gateway was told the last one that counts.
    if (isDraining) return;
    const { head, body } = readHeadedPayload(payload);
    if (callId <= lastCallId || !linkCall.Check(head)) throw new Error("a call is malformed");
    lastCallId = callId;
    const call = callOnLink(callId, head, body, { ...ports, send: writer.send });
    calls.set(callId, call);
    void call.over.then(() => {
      calls.delete(callId);
      if (isDraining && calls.size === 0) drained.resolve();
    });
  };
  const receive = ({ kind, callId, payload }: Frame): void => {
    switch (kind) {
      case LINK_FRAME.call:
        return begin(callId, payload);
      case LINK_FRAME.part:
        return calls.get(callId)?.part(payload);
      case LINK_FRAME.end:
        return calls.get(callId)?.end(payload);
      case LINK_FRAME.broken:
        return calls.get(callId)?.broken();
      case LINK_FRAME.go:
        return calls.get(callId)?.go();
      case LINK_FRAME.cancel:
        return calls.get(callId)?.cancel();
      case LINK_FRAME.credit:
        return calls.get(callId)?.credit(payload.readUInt32BE(0));
      default:
        // Of a later version, which knows that we do not.
        return undefined;
    }
  };
  const read = frameReader(LINK_FRAME_BYTES_MAX, receive, LINK_FRAME.part);
  const onData = (chunk: Buffer): void => {
    try {
      read(chunk);
    } catch (error) {
      ports.log.warn({ err: error }, "a gateway's link is broken");
      connection.destroy();
    }
  };

  if (connection instanceof Socket) connection.setNoDelay(true).setTimeout(0);
  if (connection instanceof Socket) connection.setKeepAlive(true, KEEP_ALIVE_PROBE_MS);
  connection.on("error", () => connection.destroy());
  connection.once("close", () => {
    for (const call of calls.values()) call.cancel();
    drained.resolve();
    closed.resolve();
  });
  connection.on("end", () => connection.destroy());
  connection.on("data", onData);
  if (first.length > 0) onData(first);

  return {
    drain: async () => {
      isDraining = true;
      const last = Buffer.allocUnsafe(4);
      last.writeUInt32BE(lastCallId);
      writer.send(encodeFrame(LINK_FRAME.goaway, 0, [last]));
      if (calls.size === 0) drained.resolve();
      await drained.promise;
      writer.end();
    },
    destroy: () => connection.destroy(),
    closed: closed.promise,
  };
}
