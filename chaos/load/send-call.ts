import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import type { CallRecord } from "#lib/contracts/drill-load.ts";
import { ANSWER_HEADERS } from "#lib/contracts/invocation.ts";

/** A client with one connection would see one gateway only; with this many, the shared address spreads them. */
const CONNECTIONS = 12;
/** Gateways close idle connections after 5 s; closing ours first keeps that race out of the figures. */
const IDLE_MS = 3_000;
const ANSWER_BYTES_MAX = 64 * 1024;

export type CallEnding = Pick<CallRecord, "outcome" | "status" | "detail" | "zone" | "attempts">;

export interface Caller {
  /** Never rejects: how the call ended is a value. */
  readonly send: (
    functionName: string,
    id: string,
    callerZone: string,
    timeoutMs: number,
    turn: number,
  ) => Promise<CallEnding>;
  readonly close: () => void;
}

/** A client of one address. It never repeats a call, and tells whether a failed one was sent at all. */
export function openCaller(
  endpoint: string,
  { tenant, apiKey }: { readonly tenant: string; readonly apiKey: string },
): Caller {
  const agents = Array.from(
    { length: CONNECTIONS },
    () => new Agent({ keepAlive: true, timeout: IDLE_MS }),
  );
  return {
    send: (functionName, id, callerZone, timeoutMs, turn) => {
      const body = JSON.stringify({ id });
      const sending = request(`${endpoint}/v1/tenants/${tenant}/functions/${functionName}:invoke`, {
        method: "POST",
        agent: agents[turn % CONNECTIONS],
        headers: {
          authorization: `Bearer ${apiKey}`,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          "meridian-region": callerZone,
          "x-request-id": id,
        },
      });
      sending.end(body);
      return settle(sending, id, timeoutMs);
    },
    close: () => {
      for (const agent of agents) agent.destroy();
    },
  };
}

function settle(sending: ClientRequest, id: string, timeoutMs: number): Promise<CallEnding> {
  const { promise, resolve } = Promise.withResolvers<CallEnding>();
  let isConnected = false;
  let isTimedOut = false;
  let answer: IncomingMessage | undefined;

  const timer = setTimeout(
    () => {
      isTimedOut = true;
      sending.destroy(new Error("no answer in time"));
    },
    Math.max(0, timeoutMs),
  );
  const end = (ending: CallEnding) => {
    clearTimeout(timer);
    resolve(ending);
  };
  const fail = (error: NodeJS.ErrnoException) => {
    const broken = isConnected ? "reset" : "refused";
    end({
      outcome: isTimedOut ? "timeout" : broken,
      status: answer?.statusCode ?? null,
      detail: error.code ?? error.message,
      zone: null,
      attempts: null,
    });
  };

  sending.once("socket", (socket: Socket) => {
    isConnected = !socket.connecting;
    if (isConnected) return;
    socket.once("connect", () => {
      isConnected = true;
    });
  });
  sending.on("error", fail);
  sending.once("response", (response) => {
    answer = response;
    readText(response).then((text) => end(judgeAnswer(response, text, id)), fail);
  });
  return promise;
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    const piece = Buffer.from(chunk as Uint8Array);
    bytes += piece.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error("the answer is too long");
    chunks.push(piece);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Good is: status 200, not the function's own error, and the number of this very call. */
function judgeAnswer(response: IncomingMessage, text: string, id: string): CallEnding {
  const { statusCode = 0, headers } = response;
  const body = parse(text);
  const functionError = header(headers[ANSWER_HEADERS.functionError]);
  const attempts = Number(header(headers[ANSWER_HEADERS.attempts]) ?? Number.NaN);
  const ending = {
    status: statusCode,
    zone: header(headers[ANSWER_HEADERS.zone]),
    attempts: Number.isInteger(attempts) ? attempts : null,
  };
  if (statusCode !== 200) return { ...ending, outcome: "status", detail: textMember(body, "code") };
  if (functionError !== null) return { ...ending, outcome: "wrong", detail: functionError };
  if (textMember(body, "id") !== id)
    return { ...ending, outcome: "wrong", detail: "answer of another call" };
  return { ...ending, outcome: "ok", detail: null };
}

const header = (value: string | readonly string[] | undefined): string | null =>
  typeof value === "string" ? value : null;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function textMember(body: unknown, name: string): string | null {
  if (typeof body !== "object" || body === null) return null;
  const value: unknown = Reflect.get(body, name);
  return typeof value === "string" ? value : null;
}
