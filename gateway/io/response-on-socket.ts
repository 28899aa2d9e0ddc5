import { type IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Node's own response on a connection that its server does not hold; once all of it is sent, the connection is free of it. */
export function responseOnSocket(
  socket: Socket,
  request: IncomingMessage,
  onSent: () => void,
): ServerResponse {
  const response = new ServerResponse(request);
  response.assignSocket(socket);
  const goOn = (): void => void response.emit("drain");
  socket.on("drain", goOn);
  response.once("finish", () => {
    socket.off("drain", goOn);
    response.detachSocket(socket);
    onSent();
  });
  return response;
}
