import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { json } from "node:stream/consumers";

const paths = {
  "/pid": async (request, response) => response.end(String(process.pid)),
  "/tells": async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const { method, url, headers, trailers } = request;
    const body = Buffer.concat(parts).toString("utf8");
    response.setHeader("set-cookie", ["a=1", "b=2"]);
    response.setHeader("meridian-executed", "false");
    response.setHeader("keep-alive", "timeout=5");
    response.end(JSON.stringify({ method, url, headers, trailers, body }));
  },
  "/": async (request, response) => {
    response.writeHead(201, { "content-type": "application/json" });
    response.end(JSON.stringify({ method: request.method, event: await json(request) }));
  },
  "/waits": async (request, response, query) => {
    response.write("first;");
    while (!existsSync(query.get("file"))) await sleep(5);
    response.addTrailers({ "x-sum": "5" });
    response.end("last");
  },
  "/silent": async () => {},
  "/spins": () => {
    for (;;);
  },
  "/closes": async (request, response) => response.destroy(),
  "/nonsense": async (request) => request.socket.end("this is no HTTP\r\n\r\n"),
  "/switches-to-nothing": async (request) =>
    void request.socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
  "/switches": async (request) =>
    request.socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello;",
    ),
  "/half": async (request, response) => {
    await new Promise((resolve) => response.write("half", resolve));
    response.destroy();
  },
  "/exits": async () => {
    console.log("going");
    process.exit(7);
  },
  "/nothing": async (request, response) => response.writeHead(204).end(),
};

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://server");
  const act = paths[pathname];
  if (act === undefined) return response.writeHead(404).end("no such path");
  return act(request, response, searchParams);
});
server.on("upgrade", (request, socket, first) => {
  if (request.headers.upgrade !== "echo")
    return socket.end("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n");
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\nx-own: yes\r\n\r\nhello;",
  );
  if (first.length > 0) socket.write(first);
  socket.on("error", () => socket.destroy());
  return socket.pipe(socket);
});
const { LISTENS_AFTER_MS = "0" } = process.env;
console.log("starting");
setTimeout(() => server.listen(Number(process.env.PORT)), Number(LISTENS_AFTER_MS));
