import { Agent, request } from "node:http";
import { once } from "node:events";
import { text } from "node:stream/consumers";

export interface CallersPlan {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly callers: number;
  /** From the answer to the next request of the same caller. */
  readonly pauseMs: number;
}

export interface PatientCallers {
  readonly answered: () => number;
  /** What was not a 200, in words. */
  readonly failures: readonly string[];
  /** Connections that were opened, of all callers together. */
  readonly connections: () => number;
  /** What was is not counted any more. */
  readonly forget: () => void;
  readonly stop: () => Promise<void>;
}

/** Callers that keep their connection as long as they may, and repeat nothing. */
export function startCallers({ url, headers, callers, pauseMs }: CallersPlan): PatientCallers {
  const stopping = new AbortController();
  const failures: string[] = [];
  let answered = 0;
  let connections = 0;
  const call = async (agent: Agent): Promise<void> => {
    const outgoing = request(url, { method: "POST", agent, headers });
    outgoing.once("socket", (socket) => {
      if (socket.connecting) connections += 1;
    });
    outgoing.end("{}");
    const [incoming] = await once(outgoing, "response");
    const body = await text(incoming);
    if (incoming.statusCode === 200) answered += 1;
    else failures.push(`${incoming.statusCode} ${body.slice(0, 300)}`);
  };
  const callForEver = async (index: number): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await new Promise((wake) => setTimeout(wake, (index * pauseMs) / callers));
    while (!stopping.signal.aborted) {
      await call(agent).catch((error: Error) => failures.push(String(error)));
      await new Promise((wake) => setTimeout(wake, pauseMs));
    }
    agent.destroy();
  };
  const calling = Promise.all(Array.from({ length: callers }, (_, index) => callForEver(index)));
  return {
    answered: () => answered,
    failures,
    connections: () => connections,
    forget: () => {
      failures.length = 0;
    },
    stop: async () => {
      stopping.abort();
      await calling;
    },
  };
}
