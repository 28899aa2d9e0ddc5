import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { GatewayConfig } from "../../../gateway/config.ts";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { isReady } from "./door-world.ts";
import {
  DEMO_KEY,
  federatorWith,
  type FunctionShape,
  testFederation,
  type TestFederation,
} from "./run-gateway.ts";
import { startStreamAgent, type StreamAgent, type StreamAgentOptions } from "./stream-agent.ts";

export interface StreamWorld extends AsyncDisposable {
  readonly federation: TestFederation;
  readonly gateway: RunningGateway;
  /** Of the home zone. */
  readonly agent: StreamAgent;
}

const FUNCTIONS: readonly FunctionShape[] = [
  { name: "server", interface: "http" },
  { name: "brief", interface: "http", timeoutMs: 1 },
  { name: "handler" },
  { name: "open", interface: "http", httpAuth: "public" },
];

/** A gateway, a federator, and an agent of the home zone that streams. */
export async function openStreamWorld(
  changes: Partial<GatewayConfig> = {},
  options: StreamAgentOptions = {},
): Promise<StreamWorld> {
  await using opened = new AsyncDisposableStack();
  const federation = await testFederation();
  opened.defer(federation.remove);
  const federator = await federatorWith(federation, FUNCTIONS);
  opened.defer(federator.close);
  const agent = await startStreamAgent(options);
  opened.defer(agent.close);
  await federation.publish("agent", "eu-west", agent.url);
  const gateway = await federation.startGateway({ drainMs: 0, ...changes });
  opened.defer(gateway.stop);
  await isReady(gateway.publicUrl);
  const closing = opened.move();
  return {
    federation,
    gateway,
    agent,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

/** A connection on which a test says what it likes. */
export interface RawCaller {
  readonly socket: Socket;
  readonly write: (text: string | Uint8Array) => void;
  readonly text: () => string;
  /** How the gateway ended it: by a reset, or in peace. */
  readonly closed: Promise<"end" | "reset">;
}

export function openCaller({ publicUrl }: RunningGateway): RawCaller {
  const { hostname, port } = new URL(publicUrl);
  return callerOn(connect({ host: hostname, port: Number(port), allowHalfOpen: true }));
}

/** The same over TLS. */
export function openSecureCaller({ secureUrl = "" }: RunningGateway): RawCaller {
  const { hostname, port } = new URL(secureUrl);
  const address = { host: hostname, port: Number(port), allowHalfOpen: true };
  return callerOn(connectTls({ ...address, rejectUnauthorized: false }));
}

function callerOn(socket: Socket): RawCaller {
  let text = "";
  const closed = Promise.withResolvers<"end" | "reset">();
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("end", () => closed.resolve("end"));
  socket.on("error", () => closed.resolve("reset"));
  socket.on("close", () => closed.resolve("end"));
  return {
    socket,
    write: (bytes) => void socket.write(bytes),
    text: () => text,
    closed: closed.promise,
  };
}

/** Three callers that say no more than a line are told so, one after the other: that many limits of the door have passed then. */
export async function passThreeLimits(gateway: RunningGateway): Promise<void> {
  for (let limit = 0; limit < 3; limit += 1) {
    const slow = openCaller(gateway);
    slow.write("GET /healthz HTTP/1.1\r\n");
    await slow.closed;
    slow.socket.destroy();
  }
}

export const headOf = (line: string, ...headers: readonly string[]): string =>
  [line, "Host: meridian.example", `Authorization: Bearer ${DEMO_KEY}`, ...headers, "", ""].join(
    "\r\n",
  );
