import type { Clock } from "#lib/ports/clock.ts";
import type { AgentClient } from "./agent-client.ts";
import { type AgentLink, connectLink } from "./agent-link.ts";
import { openHttpAgentClient } from "./http-agent-client.ts";

/** Calls go over one link; over plain HTTP where the agent does not speak it. A link that is lost is opened again for the next call. */
export function openAgentClient(url: string, bootToken: string, clock: Clock): AgentClient {
  let link: Promise<AgentLink | "not-spoken"> | undefined;
  /** What `link` has come to, once it has. */
  let known: AgentLink | "not-spoken" | undefined;
  let isClosed = false;
  const linked = (): AgentLink | undefined => (known === "not-spoken" ? undefined : known);
  const plain = openHttpAgentClient(url, bootToken, clock);

  const linkNow = (): Promise<AgentLink | "not-spoken"> => {
    if (link !== undefined) return link;
    const connecting = connectLink(url, bootToken, clock);
    const forget = (): void => {
      if (link !== connecting) return;
      link = undefined;
      known = undefined;
    };
    link = connecting;
    connecting.then((connected) => {
      known = connected;
      if (connected === "not-spoken") return;
      if (isClosed) connected.close();
      void connected.closed.then(forget);
    }, forget);
    return connecting;
  };
  linkNow().catch(() => undefined);

  return {
    send: async (request, startsOn) => {
      try {
        const connected = await linkNow();
        if (connected === "not-spoken") return await plain.send(request, startsOn);
        return await connected.send(request, startsOn);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        return { kind: "failed", failure: "not-sent", reason, cause };
      }
    },
    isSilentSince: (sinceMs) => linked()?.isSilentSince(sinceMs) ?? false,
    giveUp: () => {
      linked()?.giveUp();
      plain.giveUp();
    },
    way: () => {
      if (known === undefined) return "connecting";
      return known === "not-spoken" ? "plain-http" : "framed";
    },
    close: async () => {
      isClosed = true;
      link?.then(
        (connected) => connected === "not-spoken" || connected.close(),
        () => undefined,
      );
      await plain.close();
    },
  };
}
