/* The acts of test/contract/streaming.contract.ts as a server: the path names the act, the query is its event. */
import { createServer } from "node:http";
import { act } from "./streaming-acts.mjs";

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://server");
  const event = Object.fromEntries(searchParams);
  const gone = new AbortController();
  response.on("close", () => gone.abort(new Error("the caller is gone")));
  const begin = ({ statusCode, headers, cookies }) => {
    response.writeHead(statusCode, { ...headers, "set-cookie": cookies });
    return response;
  };
  try {
    await act(pathname.slice(1), event, { stream: response, begin, signal: gone.signal });
  } catch {
    response.destroy();
  }
});
server.listen(Number(process.env.PORT), "127.0.0.1");
