import type { AgentRequest, Outcome } from "../ports.ts";

/** The way to one agent process. */
export interface AgentClient {
  /** One attempt; never rejects. */
  readonly send: (request: AgentRequest, rules: AttemptRules) => Promise<Outcome>;
  readonly close: () => Promise<void>;
}

export interface AttemptRules {
  /** Aborts when the cluster does not answer pings any more: what may be repeated is not waited for. */
  readonly giveUp: AbortSignal | undefined;
  /** The agent shall ask for leave before it starts the call, even if it has a slot at once. */
  readonly startsOnGo: boolean;
}
