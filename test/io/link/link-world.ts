import { createServer, connect, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { pino } from "pino";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Exchange, ServeExchange } from "../../../agents/io/exchange.ts";
import type { FunctionAnswer } from "../../../agents/core/read-answer.ts";
import { type InvokeServer, startInvokeServer } from "../../../agents/io/invoke-server.ts";
import type { AgentClient, StartsOn } from "../../../gateway/io/agent-client.ts";
import { openAgentClient } from "../../../gateway/io/open-agent-client.ts";
import type { AgentRequest, Outcome } from "../../../gateway/ports.ts";

export const BOOT_TOKEN = "boot-token";

/** What the agent's end does with a call that may start; the starts are counted. */
export type Handle = (exchange: Exchange, body: Buffer) => Promise<FunctionAnswer>;

export interface LinkWorld {
  readonly client: AgentClient;
  readonly server: InvokeServer;
  /** Request ids of calls that were started, in order. */
  readonly started: string[];
  readonly call: (id: string, options?: CallOptions) => Promise<Outcome>;
}

export interface CallOptions {
  readonly startsOn?: StartsOn;
  readonly body?: Uint8Array;
  readonly isIdempotent?: boolean;
  readonly callerGone?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface WorldOptions {
  /** Instead of all that is below, but for `through`. */
  readonly serve?: ServeExchange;
  readonly handle?: Handle;
  /** The call has to wait for a slot until this resolves. */
  readonly slot?: Promise<void>;
  /** Where the client connects, if not straight to the agent. */
  readonly through?: (url: string) => Promise<string>;
}

/** Both ends of a link as they are in production, without what is behind them. */
export async function startLinkWorld(
  t: TestContext,
  options: WorldOptions = {},
): Promise<LinkWorld> {
  const started: string[] = [];
  const handle = options.handle ?? echo;
  const server = await startInvokeServer({
    bootToken: BOOT_TOKEN,
    place: { zone: "eu-west", clusterId: "eu-west-1" },
    clock: systemClock,
    log: pino({ level: "silent" }),
    readLogs: () => Promise.resolve([]),
    readUsage: async () => ({}),
    serve:
      options.serve ??
      (async (exchange) => {
        const body = await exchange.readBody();
        if (options.slot !== undefined) {
          exchange.leave.waits();
          await options.slot;
        }
        const leave = exchange.leave.ask(options.slot !== undefined);
        if (leave !== true && !(await leave))
          return answerOf(503, "withdrawn", { "meridian-executed": "false" });
        started.push(String(exchange.headers["x-request-id"]));
        return handle(exchange, body);
      }),
  });
  const client = openAgentClient(
    await (options.through?.(server.url) ?? server.url),
    BOOT_TOKEN,
    systemClock,
  );
  t.after(async () => {
    await client.close();
    await server.drain(0, 1_000);
  });
  return { client, server, started, call: caller(client) };
}

export function caller(client: AgentClient): LinkWorld["call"] {
  return (id, options = {}) => {
    const request: AgentRequest = {
      headers: { "x-request-id": id },
      body: options.body ?? new Uint8Array(),
      deadlineAtMs: systemClock.nowMs() + (options.timeoutMs ?? 10_000),
      callerGone: options.callerGone ?? new AbortController().signal,
      isIdempotent: options.isIdempotent ?? false,
    };
    return client.send(request, options.startsOn ?? "go");
  };
}

export const answerOf = (
  status: number,
  body: string | Buffer,
  headers: FunctionAnswer["headers"] = {},
): FunctionAnswer => ({ status, headers, body: Buffer.from(body) });

const echo: Handle = (_exchange, body) => Promise.resolve(answerOf(200, body));

/** A server that takes connections and does with their bytes as it is told. */
export async function listenRaw(
  t: TestContext,
  onSocket: (socket: Socket) => void,
): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Carries bytes both ways until so many have passed in one of them, then resets both ends. */
export function cuttingProxy(
  t: TestContext,
  cutAfter: () => { readonly toAgent: number; readonly toGateway: number },
): (url: string) => Promise<string> {
  return (url) =>
    listenRaw(t, (near) => {
      const limits = cutAfter();
      const far = connect(Number(new URL(url).port), "127.0.0.1");
      const cut = (): void => {
        near.resetAndDestroy();
        far.resetAndDestroy();
      };
      carry(near, far, limits.toAgent, cut);
      carry(far, near, limits.toGateway, cut);
    });
}

function carry(from: Socket, to: Socket, bytesMax: number, cut: () => void): void {
  let bytes = 0;
  from.on("error", () => to.destroy());
  from.on("end", () => to.end());
  from.on("data", (chunk: Buffer) => {
    const left = bytesMax - bytes;
    bytes += chunk.length;
    to.write(chunk.subarray(0, Math.max(0, left)), () => {
      if (bytes >= bytesMax) cut();
    });
  });
}

export async function bodyOf(outcome: Outcome): Promise<Buffer> {
  if (outcome.kind !== "answered") throw new Error(`no answer: ${JSON.stringify(outcome)}`);
  const { body } = outcome.answer;
  if (body instanceof Uint8Array) return Buffer.from(body);
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}
