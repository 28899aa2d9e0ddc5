import type { TLSSocket } from "node:tls";
import { tokenOf } from "../instance-links.ts";
import type { NativeDoors } from "../native-door.ts";
import type { ReceiveFrame } from "./pod-server.ts";

/** What a runner says, which its launcher passes on: the first frame says whose it is. */
export function receiveCalls({ onLink }: NativeDoors, socket: TLSSocket): ReceiveFrame {
  let receive: ReceiveFrame | undefined;
  return (frame) => {
    receive ??= onLink(tokenOf(frame), socket);
    if (receive === undefined) socket.destroy();
    else receive(frame);
  };
}
