import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** What a stand-in agent does with a call. */
export type Behaviour =
  | "answer"
  /** Answers, in pieces, without a length. */
  | "stream"
  /** The same, with a pause that is longer than a caller may stand still in tests. */
  | "stream-slowly"
  /** Answers with more than the buffers of the system hold. */
  | "answer-at-length"
  /** Says that it did not start the handler. */
  | "refuse"
  /** The same, because it cannot get the code. */
  | "lack-code"
  | "refuse-as-callers-fault"
  /** Says that the key came with another request. */
  | "refuse-key"
  /** Cuts the connection after the request was read. */
  | "reset"
  /** Cuts it in the middle of the answer's body. */
  | "reset-in-body"
  | "promise-too-much"
  /** Reads the call and says nothing, answers pings all the same. */
  | "hang"
  /** Neither calls nor pings are answered, as with SIGSTOP. */
  | "freeze"
  | "function-error"
  | "platform-failure"
  | "garbage";

const LONG_ANSWER = Buffer.alloc(16 * 1024 * 1024);

export interface ReceivedCall {
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** Whether the answer proved that the handler was not started. */
  readonly wasRefused: boolean;
}

export interface FakeAgent {
  readonly url: string;
  /** Every call whose request arrived here, in order. */
  readonly calls: ReceivedCall[];
  behaviour: Behaviour;
  /** What it does with calls of a version, as `FUNCTION@VERSION`, instead. */
  readonly behaviourOf: Map<string, Behaviour>;
  pingDelayMs: number;
  /** Pings answered so far. */
  pings: number;
  isClosed: boolean;
  /** Calls whose caller hung up before they were answered. */
  abandoned: number;
  readonly close: () => Promise<void>;
}

/** An agent that behaves as it is told, on a real socket, and speaks plain HTTP alone; it counts what reaches it. */
export async function startFakeAgent(
  zone: string,
  behaviour: Behaviour = "answer",
): Promise<FakeAgent> {
  const sockets = new Set<Socket>();
  const server = createServer(
    { keepAliveTimeout: 0, maxHeaderSize: 131_072 },
    (request, response) => {
      serve(request, response).catch(() => response.destroy());
    },
  );
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await listen(server);
  const { port } = server.address() as AddressInfo;

  const agent: FakeAgent = {
    url: `http://127.0.0.1:${port}`,
    calls: [],
    behaviour,
    behaviourOf: new Map(),
    pingDelayMs: 0,
    pings: 0,
    isClosed: false,
    abandoned: 0,
    close: async () => {
      if (agent.isClosed) return;
      agent.isClosed = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.resetAndDestroy();
      await closed;
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === "/ping") {
      if (agent.behaviour === "freeze") return;
      await delay(agent.pingDelayMs);
      agent.pings += 1;
      response.writeHead(204).end();
      return;
    }
    if (request.url === "/link") {
      response.writeHead(404).end();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk as Uint8Array));
    const { "meridian-function": name, "meridian-function-version": version } = request.headers;
    const behaviour =
      agent.behaviourOf.get(`${String(name)}@${String(version)}`) ?? agent.behaviour;
    const body = Buffer.concat(chunks).toString();
    const wasRefused = behaviour === "refuse" || behaviour === "lack-code";
    agent.calls.push({ headers: request.headers, body, wasRefused });
    response.once("close", () => {
      if (!response.writableFinished) agent.abandoned += 1;
    });
    await behave(behaviour, zone, request, response);
  }
  return agent;
}

async function behave(
  behaviour: Behaviour,
  zone: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  switch (behaviour) {
    case "answer":
      response.writeHead(200, {
        "content-type": "text/plain",
        "meridian-executed": "true",
        "meridian-cold-start": "true",
        "set-cookie": ["a=1", "b=2"],
      });
      response.end(`hello from ${zone}`);
      return;
    case "stream":
      response.writeHead(200, { "content-type": "text/plain" });
      for (let piece = 0; piece < 5; piece += 1) {
        response.write(`piece ${piece};`);
        await delay(2);
      }
      response.end();
      return;
    case "stream-slowly":
      response.writeHead(200, { "content-type": "text/plain" });
      response.write("first;");
      await delay(1_200);
      response.end("second;");
      return;
    case "answer-at-length":
      response.writeHead(200, { "content-type": "application/octet-stream" });
      response.end(LONG_ANSWER);
      return;
    case "refuse":
      return problem(response, 503, "MERIDIAN_OVERLOADED", false);
    case "lack-code":
      return problem(response, 503, "MERIDIAN_CODE_UNAVAILABLE", false);
    case "refuse-as-callers-fault":
      return problem(response, 400, "MERIDIAN_BODY_INVALID_JSON", false);
    case "refuse-key":
      return problem(response, 422, "MERIDIAN_KEY_REUSED", false);
    case "platform-failure":
      return problem(response, 502, "MERIDIAN_INSTANCE_LOST", true);
    case "function-error":
      response.writeHead(200, {
        "meridian-executed": "true",
        "meridian-function-error": "Unhandled",
      });
      response.end('{"errorMessage":"boom","errorType":"Error"}');
      return;
    case "reset":
      request.socket.resetAndDestroy();
      return;
    case "reset-in-body":
      response.writeHead(200, { "content-type": "text/plain" });
      response.write("only the beginning");
      await delay(20);
      request.socket.resetAndDestroy();
      return;
    case "promise-too-much":
      response.writeHead(200, { "content-length": "1000" });
      response.write("less than promised");
      await delay(20);
      request.socket.end();
      return;
    case "garbage":
      request.socket.end("this is not HTTP\r\n\r\n");
      return;
    case "hang":
    case "freeze":
      return;
  }
}

function problem(
  response: ServerResponse,
  status: number,
  code: string,
  isExecuted: boolean,
): void {
  response.writeHead(status, {
    "content-type": "application/problem+json",
    "meridian-executed": String(isExecuted),
    "meridian-error-code": code,
  });
  response.end(JSON.stringify({ code, status, detail: "as the agent says it" }));
}

const listen = (server: Server): Promise<void> =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
