import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { pipeline } from "node:stream/promises";

let calls = 0;
let left = 0;

const server = createServer(async (request, response) => {
  calls += 1;
  switch (request.url) {
    case "/echo": {
      const digest = createHash("sha256");
      response.writeHead(200, { trailer: "x-digest" });
      for await (const part of request) {
        digest.update(part);
        if (!response.write(part)) await new Promise((resolve) => response.once("drain", resolve));
      }
      response.addTrailers({ "x-digest": digest.digest("hex") });
      return response.end();
    }
    case "/events":
      response.on("close", () => (left += 1));
      return response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
    case "/told":
      return response.end(JSON.stringify({ calls, left }));
    case "/sink":
      await pipeline(request, async (parts) => {
        for await (const _part of parts);
      });
      return response.end("all of it");
    default:
      return response.writeHead(404).end();
  }
});
server.on("upgrade", (request, socket) => {
  calls += 1;
  socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
  socket.on("error", () => socket.destroy());
  socket.on("close", () => (left += 1));
  socket.pipe(socket);
});
server.listen(Number(process.env.PORT), "127.0.0.1");
