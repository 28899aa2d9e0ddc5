import { createServer, type AddressInfo } from "node:net";
import { pino } from "pino";
import { systemClock } from "#lib/io/system-clock.ts";
import { startInvokeServer } from "../../agents/io/invoke-server.ts";

/*
 * What stands behind the proxies, all in one process: two agents that speak the link, as their production code does, with nothing
 * behind it; and two plain HTTP servers that know of HTTP what is needed to answer the bench's requests, and cost next to nothing.
 */
interface StandInPlan {
  readonly bootToken: string;
  readonly answer: string;
  readonly requestBytes: number;
}
process.once("disconnect", () => process.exit());
const plan: StandInPlan = JSON.parse(process.argv[2] ?? "");
const HEAD_END = Buffer.from("\r\n\r\n");
const LETTER_G = 0x47;

const body = Buffer.from(plan.answer);
const headers = { "content-type": "application/json", "meridian-executed": "true" };
const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\n${head.join("")}content-length: ${body.length}\r\n\r\n${plan.answer}`,
);
const PONG = Buffer.from("HTTP/1.1 204 No Content\r\n\r\n");
const NO_LINK = Buffer.from("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");

const linkUrls = [await startAgent("eu-west"), await startAgent("us-east")];
const plainUrls = [await startPlain(), await startPlain()];
process.stdout.write(`${JSON.stringify({ linkUrls, plainUrls })}\n`);

async function startAgent(zone: string): Promise<string> {
  const server = await startInvokeServer({
    bootToken: plan.bootToken,
    place: { zone, clusterId: `${zone}-1` },
    clock: systemClock,
    log: pino({ level: "silent" }),
    readLogs: () => Promise.resolve([]),
    readUsage: async () => ({}),
    serve: async ({ readBody, leave }) => {
      await readBody();
      const mayStart = leave.ask(false);
      if (mayStart === true || (await mayStart)) return { status: 200, headers, body };
      return { status: 503, headers: { "meridian-executed": "false" }, body: Buffer.alloc(0) };
    },
  });
  return server.url;
}

/** The bench's POSTs all have a body of one length; a GET is a ping, or asks for a link. */
async function startPlain(): Promise<string> {
  const server = createServer({ noDelay: true }, (socket) => {
    let received: Buffer = Buffer.alloc(0);
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const headEnd = received.indexOf(HEAD_END);
      if (headEnd < 0) return;
      const isGet = received[0] === LETTER_G;
      const bytes = headEnd + HEAD_END.length + (isGet ? 0 : plan.requestBytes);
      if (received.length < bytes) return;
      const isPing = isGet && received.toString("latin1", 4, 9) === "/ping";
      received = received.subarray(bytes);
      if (!isGet) socket.write(ANSWER);
      else socket.write(isPing ? PONG : NO_LINK);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}
