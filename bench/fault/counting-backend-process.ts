import { openSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/* What stands behind the peers: a plain HTTP server that writes down each call it starts, as the function does, and answers it. */
process.once("disconnect", () => process.exit());
const ledger = openSync(process.argv[2] ?? "", "a");
const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
  text(request)
    .then((body) => {
      writeSync(ledger, `${body}\n`);
      response.setHeader("content-type", "application/json");
      response.end(body);
    })
    .catch(() => response.destroy());
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`http://127.0.0.1:${port}\n`);
});
