import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";

/*
 * The least that a feed can cost over HTTP: plain responses that stay open, to each of which every line from standard input is
 * written. Prints its port.
 */
const responses = new Set<ServerResponse>();
const server = createServer((request, response) => {
  request.resume();
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  response.write("\n");
  responses.add(response);
  response.on("close", () => responses.delete(response));
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
for await (const line of createInterface({ input: process.stdin })) {
  const bytes = Buffer.from(`${line}\n`);
  for (const response of responses) response.write(bytes);
}
process.exit(0);
