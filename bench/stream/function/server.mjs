import { once } from "node:events";
import { createServer } from "node:http";

const PART = Buffer.alloc(64 * 1024, 97);

/* Takes any body and says how long it was; to GET /?bytes=N it gives one of that length. */
async function answer(request, response) {
  if (request.method === "GET") {
    const bytes = Number(new URL(request.url, "http://server").searchParams.get("bytes"));
    response.writeHead(200, { "content-type": "application/octet-stream" });
    for (let left = bytes; left > 0; left -= PART.length)
      if (!response.write(PART.subarray(0, left))) await once(response, "drain");
    return response.end();
  }
  let bytes = 0;
  for await (const part of request) bytes += part.length;
  return response.end(String(bytes));
}

const server = createServer((request, response) => void answer(request, response));
server.listen(Number(process.env.PORT), "127.0.0.1");
