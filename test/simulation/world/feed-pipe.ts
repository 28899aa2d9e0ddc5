import { EventEmitter } from "node:events";
import type { FeedStream } from "../../../federator/io/feed/feed-connection.ts";
import type { Host } from "../engine/host.ts";
import type { Network } from "../engine/network.ts";

/** Bytes under way, beyond which a writer is told to wait: Node's default. */
const HIGH_WATER_BYTES = 16 * 1_024;

/** A connection's two ends: what the federator writes to, and what the follower reads from. */
export function feedPipe(
  network: Network,
  place: string,
  sender: Host,
  receiver: Host,
  signal: AbortSignal | undefined,
): { readonly writable: FeedStream; readonly readable: AsyncIterable<Uint8Array> } {
  const events = new EventEmitter();
  const arrived: Uint8Array[] = [];
  let isOpen = true;
  let isEnded = false;
  let underwayBytes = 0;
  let isFull = false;
  let wake = (): void => undefined;

  const closed = (): void => {
    if (!isOpen) return;
    isOpen = false;
    events.emit("close");
  };
  const ended = (): void => {
    isEnded = true;
    wake();
  };
  const stream = network.connect<Uint8Array>(place, place, {
    sender,
    receiver,
    onItem: (line) => {
      underwayBytes -= line.length;
      arrived.push(line);
      wake();
      if (!isFull || underwayBytes > 0) return;
      isFull = false;
      network.carry(place, place, () => sender.deliver(() => events.emit("drain")));
    },
    onEnd: ended,
    onBroken: closed,
  });
  signal?.addEventListener(
    "abort",
    () => {
      stream.break("reset");
      ended();
    },
    { once: true },
  );

  async function* read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const line = arrived.shift();
      if (line !== undefined) yield line;
      else if (isEnded) throw new Error("the feed broke");
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  }
  return {
    readable: read(),
    writable: {
      get writable() {
        return isOpen;
      },
      write: (line) => {
        stream.send(line);
        underwayBytes += line.length;
        isFull ||= underwayBytes >= HIGH_WATER_BYTES;
        return !isFull;
      },
      on: (event, listener) => events.on(event, listener),
      destroy: () => {
        stream.break("reset");
        closed();
      },
    },
  };
}
