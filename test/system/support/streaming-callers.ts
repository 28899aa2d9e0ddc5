import assert from "node:assert/strict";
import { once } from "node:events";

export interface StreamingPlan {
  /** Of the gateway. */
  readonly base: string;
  readonly apiKey: string;
  /** That of `examples/countdown`, and how many numbers it counts down. */
  readonly numbers: number;
  readonly callers: number;
}

export interface StreamingCallers {
  /** Streams and conversations that came to their end. */
  readonly finished: () => { readonly streams: number; readonly conversations: number };
  readonly failures: readonly string[];
  /** What failed until now is not counted any more. */
  readonly forget: () => void;
  readonly stop: () => Promise<void>;
}

const WORDS = 8;
const BETWEEN_WORDS_MS = 150;

/** Callers of `examples/countdown` and `examples/chat` who are content only with whole streams and whole conversations. */
export function startStreaming({
  base,
  apiKey,
  numbers,
  callers,
}: StreamingPlan): StreamingCallers {
  const stopping = new AbortController();
  const failures: string[] = [];
  const finished = { streams: 0, conversations: 0 };
  const followStream = async (): Promise<void> => {
    const answer = await fetch(`${base}/fn/demo/countdown/`, {
      headers: { authorization: `Bearer ${apiKey}` },
    });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    assert.equal(text.match(/^data: \d+$/gm)?.length, numbers, text);
    finished.streams += 1;
  };
  const converse = async (): Promise<void> => {
    const url = `${base}/fn/demo/chat/`.replace("http:", "ws:");
    const socket = new WebSocket(url, [`meridian.bearer.${apiKey}`, "chat"]);
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => undefined);
    const isOver = { is: false };
    socket.addEventListener("error", () => broken.reject(new Error("the WebSocket failed")));
    socket.addEventListener("close", ({ code }) => {
      if (!isOver.is) broken.reject(new Error(`the WebSocket was closed: ${code}`));
    });
    await Promise.race([once(socket, "open"), broken.promise]);
    for (let word = 0; word < WORDS; word += 1) {
      const heard = once(socket, "message");
      socket.send(`word ${word}`);
      await Promise.race([heard, broken.promise]);
      await new Promise((wake) => setTimeout(wake, BETWEEN_WORDS_MS));
    }
    isOver.is = true;
    const closed = once(socket, "close");
    socket.close();
    await closed;
    finished.conversations += 1;
  };
  const forEver = async (once: () => Promise<void>): Promise<void> => {
    while (!stopping.signal.aborted)
      await once().catch((error: Error) =>
        failures.push(`${error.message} ${String(error.cause)}`),
      );
  };
  const running = Promise.all(
    Array.from({ length: callers }, () => [forEver(followStream), forEver(converse)]).flat(),
  );
  return {
    finished: () => finished,
    failures,
    forget: () => {
      failures.length = 0;
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
