import { mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { systemClock } from "#lib/io/system-clock.ts";
import { toMeridianError } from "#lib/problem.ts";
import { problemAnswer, refusalOf, withReceipt } from "../../gateway/answers.ts";
import { httpListener } from "../../gateway/io/http-listener.ts";
import { http2Door } from "../../gateway/io/http2-door.ts";
import type { Answer, Arrival } from "../../gateway/ports.ts";

/** A door with a stand-in for the pipeline behind it. */
export interface Lane {
  /** Of its unix socket. */
  readonly path: string;
  /** Every request as it came in, in order; whoever reads takes it away. */
  readonly takeSeen: () => Seen;
}

interface Seen {
  readonly requests: readonly string[];
  /** Of them, those that Node's own server read. */
  readonly byNode: number;
}

/** The same door twice, with and without the fast lane. */
export interface LanePair extends AsyncDisposable {
  readonly fast: Lane;
  readonly node: Lane;
}

const BODY_BYTES_MAX = 40_000;
/** More than is handed to a connection at once. */
export const LARGE = "l".repeat(100_000);
/** So long that none is met on a machine that stands still for a while. */
const LIMITS = {
  headersTimeoutMs: 600_000,
  idleTimeoutMs: 600_000,
  stallMs: 600_000,
  bytesPerSecondMin: 1,
};

export async function openLanePair(isDraining: boolean): Promise<LanePair> {
  const folder = await mkdtemp(join(tmpdir(), "meridian-lanes-"));
  const open = async (fastLane: "on" | "off") => {
    let requests: string[] = [];
    let byNode = 0;
    const options = {
      handler: (arrival: Arrival) => answerTo(arrival, requests),
      requestIds: () => "id",
      clock: systemClock,
      log: pino({ level: "silent" }),
      limits: LIMITS,
      isDraining: () => isDraining,
      fastLane,
    };
    const { server } = httpListener(options, http2Door(options));
    server.on("request", () => {
      byNode += 1;
    });
    const sockets = new Set<Socket>();
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
    const path = join(folder, fastLane);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const takeSeen = (): Seen => {
      const seen = { requests, byNode };
      requests = [];
      byNode = 0;
      return seen;
    };
    const close = async (): Promise<void> => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    };
    return { path, takeSeen, close };
  };
  const [fast, node] = [await open("on"), await open("off")];
  return {
    fast,
    node,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([fast.close(), node.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Notes all that a pipeline could see of the request, and echoes it. */
async function answerTo(arrival: Arrival, requests: string[]): Promise<Answer> {
  const { method, target, headers, httpVersion, scheme, fault, hasBody, peer } = arrival;
  const noted = { method, target, headers, httpVersion, scheme, fault, hasBody, peer };
  const slot = requests.push(JSON.stringify(noted)) - 1;
  if (fault !== undefined) return withReceipt(problemAnswer(refusalOf(fault), "id"), "id");
  const kind = target.split(/[/?]/)[1] ?? "";
  try {
    const body = kind === "unread" ? undefined : await arrival.readBody(BODY_BYTES_MAX);
    const text = JSON.stringify({ ...noted, body: body && Buffer.from(body).toString("latin1") });
    requests[slot] = text;
    if (kind === "late") await delay(2);
    return withReceipt(answerOf(kind, text), "id");
  } catch (error) {
    return withReceipt(problemAnswer(toMeridianError(error), "id"), "id");
  }
}

function answerOf(kind: string, text: string): Answer {
  const headers = { "content-type": "application/json" };
  switch (kind) {
    case "large":
      return { status: 200, headers, body: LARGE };
    case "stream":
      return { status: 200, headers, body: Readable.from([Buffer.from(text), Buffer.from("end")]) };
    case "measured": {
      const body = Buffer.from(text);
      const length = { "content-length": String(body.length) };
      return { status: 200, headers: { ...headers, ...length }, body: Readable.from([body]) };
    }
    case "empty":
      return { status: 204, headers: {}, body: "" };
    case "unchanged":
      return { status: 304, headers: { etag: '"a"' }, body: text };
    case "many":
      return {
        status: 299,
        headers: { "set-cookie": ["a=1", "b=2"], date: "now", "x-text": "caf\u00e9" },
        body: "caf\u00e9",
      };
    case "refused":
      return { status: 503, headers: { ...headers, "retry-after": "1" }, body: Buffer.from(text) };
    default:
      return { status: 200, headers, body: text };
  }
}
