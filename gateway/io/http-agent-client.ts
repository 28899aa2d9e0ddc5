import { Readable } from "node:stream";
import { type Dispatcher, Pool } from "undici";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { AgentRequest, FailedOutcome, Outcome } from "../ports.ts";
import { type AgentClient, takesNoStreams } from "./agent-client.ts";
import { ANSWER_GRACE_MS, failureToldBy, readProblem, toldFailure } from "./told-failure.ts";

const CONNECTIONS_MAX = 1_024;
const CONNECT_TIMEOUT_MS = 1_000;
/** Idle connections are closed from this side first, so that no call meets one that the agent is closing. */
const KEEP_ALIVE_MS = 4_000;

/** Calls as `POST /invoke`: whatever was written may have run. */
export function openHttpAgentClient(url: string, bootToken: string, clock: Clock): AgentClient {
  const pool = new Pool(url, {
    connections: CONNECTIONS_MAX,
    pipelining: 1,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    // Each call has a deadline of its own.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  /** Of the attempts that may be repeated elsewhere. */
  const givingUp = new Set<() => void>();
  return {
    send: (request) => {
      const { body } = request;
      if (!(body instanceof Uint8Array)) return Promise.resolve(takesNoStreams);
      return new Promise((resolve) => {
        const attempt = startAttempt(request, givingUp, clock, resolve);
        pool.dispatch(
          {
            path: "/invoke",
            method: "POST",
            headers: { ...request.headers, [INVOCATION_HEADERS.bootToken]: bootToken },
            body,
          },
          attempt,
        );
      });
    },
    isSilentSince: () => false,
    giveUp: () => {
      for (const giveUp of givingUp) giveUp();
    },
    way: () => "plain-http",
    close: () => pool.destroy(),
  };
}

/**
 * Watches one request on its way. What is proved about it follows from how far it came: undici calls `onRequestStart` just
 * before it writes the first byte, so a failure before that is `not-sent`, and any after it `maybe-executed`.
 */
function startAttempt(
  request: AgentRequest,
  givingUp: Set<() => void>,
  clock: Clock,
  resolve: (outcome: Outcome) => void,
): Dispatcher.DispatchHandler {
  let controller: Dispatcher.DispatchController | undefined;
  let body: Readable | undefined;
  let isSettled = false;

  const settle = (outcome: Outcome): void => {
    isSettled = true;
    resolve(outcome);
  };
  /** Ends the exchange: as this outcome before the answer began, by breaking the answer off after. */
  const stop = (outcome: Outcome, reason: Error): void => {
    release();
    if (!isSettled) settle(outcome);
    body?.destroy(reason);
    controller?.abort(reason);
  };
  const fail = (reason: string, cause?: unknown): FailedOutcome => ({
    kind: "failed",
    failure: controller === undefined ? "not-sent" : "maybe-executed",
    reason,
    cause,
  });
  const onCallerGone = (): void => stop({ kind: "caller-gone" }, new Error("the caller went away"));
  const onGiveUp = (): void => {
    if (isSettled) return;
    const reason = "it stopped answering pings";
    stop(fail(reason), new Error(reason));
  };
  const timer = setTimeout(
    () =>
      stop(
        { kind: "out-of-time", wasSent: controller !== undefined },
        new Error("the call's deadline passed"),
      ),
    Math.max(0, request.deadlineAtMs + ANSWER_GRACE_MS - clock.nowMs()),
  );
  const release = (): void => {
    clearTimeout(timer);
    request.callerGone.removeEventListener("abort", onCallerGone);
    givingUp.delete(onGiveUp);
  };
  request.callerGone.addEventListener("abort", onCallerGone, { once: true });
  if (request.isIdempotent) givingUp.add(onGiveUp);
  if (request.callerGone.aborted) onCallerGone();

  return {
    onRequestStart: (started) => {
      // Settled while it still waited for a connection, or about to be written a second time.
      if (isSettled || controller !== undefined) {
        started.abort(new Error("the attempt is over"));
        return;
      }
      controller = started;
    },
    onResponseStart: (started, status, headers) => {
      if (status < 200) return;
      body = answerBody(started);
      const failure = failureToldBy(status, headers);
      if (failure === undefined) {
        settle({ kind: "answered", answer: { status, headers, body } });
        return;
      }
      void readProblem(body).then((text) => {
        if (!isSettled) settle(toldFailure(failure, status, headers, text));
      });
    },
    onResponseData: (started, chunk) => {
      if (body?.push(chunk) === false) started.pause();
    },
    onResponseEnd: () => {
      release();
      body?.push(null);
    },
    onResponseError: (_started, error) => {
      release();
      if (body !== undefined) body.destroy(error);
      else if (!isSettled) settle(fail(error.message, error));
    },
  };
}

/** The answer as it arrives, no faster than it is read; destroying it ends the exchange. */
function answerBody(controller: Dispatcher.DispatchController): Readable {
  return new Readable({
    read: () => controller.resume(),
    destroy(error, done) {
      if (!this.readableEnded) controller.abort(error ?? new Error("the answer was abandoned"));
      done(error);
    },
  });
}
