import type { LinkCall } from "#lib/contracts/link-frames.ts";
import type { AgentRequest, Outcome } from "../ports.ts";

/** The way to one agent process. */
export interface AgentClient {
  /** One attempt; never rejects. */
  readonly send: (request: AgentRequest, startsOn: StartsOn) => Promise<Outcome>;
  /** The cluster does not answer pings any more: ends the attempts that may be made elsewhere. */
  readonly giveUp: () => void;
  /** How the next call would go there. */
  readonly way: () => "framed" | "plain-http" | "connecting";
  readonly close: () => Promise<void>;
}

/** `go`: the agent asks for leave before it starts the call, even if it has a slot at once. */
export type StartsOn = LinkCall["startsOn"];
