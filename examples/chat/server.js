import { createServer } from "node:http";
import { WebSocketServer } from "ws";

/* One room for everybody on this instance: what one says over a WebSocket or by POST, all others hear. */

const listeners = new Set();
const say = (text) => {
  for (const listen of listeners) listen(text);
};

const server = createServer(async (request, response) => {
  if (request.method === "POST") {
    const parts = [];
    for await (const part of request) parts.push(part);
    say(Buffer.concat(parts).toString("utf8"));
    return response.writeHead(204).end();
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const listen = (text) => {
    // Somebody who does not read is not waited for.
    if (response.writableLength < 65_536)
      response.write(`data: ${text.replaceAll("\n", "\ndata: ")}\n\n`);
  };
  response.write(": welcome\n\n");
  listeners.add(listen);
  return response.on("close", () => listeners.delete(listen));
});

new WebSocketServer({ server, maxPayload: 65_536 }).on("connection", (socket) => {
  const listen = (text) => {
    if (socket.bufferedAmount < 65_536) socket.send(text);
  };
  listeners.add(listen);
  socket.on("message", (text) => say(String(text)));
  socket.on("error", () => socket.terminate());
  socket.on("close", () => listeners.delete(listen));
});

server.listen(Number(process.env.PORT), "127.0.0.1");
