import type { LinkCall } from "#lib/contracts/link-frames.ts";
import type { AgentRequest, FailedOutcome, Outcome } from "../ports.ts";

/** The way to one agent process. */
export interface AgentClient {
  /** One attempt; never rejects. */
  readonly send: (request: AgentRequest, startsOn: StartsOn) => Promise<Outcome>;
  /** Whether calls wait on its link, and nothing at all came over it since then; of plain HTTP that is not known. */
  readonly isSilentSince: (sinceMs: number) => boolean;
  /** The cluster does not answer pings any more: ends the attempts that may be made elsewhere. */
  readonly giveUp: () => void;
  /** How the next call would go there. */
  readonly way: () => "framed" | "plain-http" | "connecting";
  readonly close: () => Promise<void>;
}

/** Another cluster may be newer; nothing of the call was begun. */
export const takesNoStreams: FailedOutcome = {
  kind: "failed",
  failure: "refused",
  reason: "its agent is of a version that takes neither streamed bodies nor upgrades",
};

/** `go`: the agent asks for leave before it starts the call, even if it has a slot at once. */
export type StartsOn = LinkCall["startsOn"];
