import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import {
  LINK_FEATURE_STREAMS,
  LINK_FEATURES_HEADER,
  LINK_PROTOCOL,
} from "#lib/contracts/link-frames.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { type GatewayLink, serveLink, type ServeLinkPorts } from "./serve-link.ts";
import { watchStalls } from "./watch-stalls.ts";

export type GatewayLinksPorts = Omit<ServeLinkPorts, "hasStalled"> & { readonly clock: Clock };

/** The links that gateways have opened. */
export interface GatewayLinks {
  /** Takes over a connection that asked to become a link; `first` came with the asking. */
  readonly open: (connection: Duplex, first: Buffer) => void;
  /** Takes no more calls, waits at most `limitMs` for those that run, and closes. */
  readonly drain: (limitMs: number) => Promise<void>;
}

const CLOSE_GRACE_MS = 100;

export function gatewayLinks(ports: GatewayLinksPorts): GatewayLinks {
  const links = new Set<GatewayLink>();
  const stalls = watchStalls(ports.clock);
  return {
    open: (connection, first) => {
      connection.write(
        `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${LINK_PROTOCOL}\r\n${LINK_FEATURES_HEADER}: ${LINK_FEATURE_STREAMS}\r\n\r\n`,
      );
      const link = serveLink(connection, first, { ...ports, hasStalled: stalls.hasStalled });
      links.add(link);
      void link.closed.then(() => links.delete(link));
    },
    drain: async (limitMs) => {
      const draining = [...links].map((link) => link.drain());
      // The limit that was not needed holds up nobody.
      const limit = delay(limitMs, undefined, { ref: false });
      await Promise.race([Promise.all(draining), limit]);
      await Promise.race([
        Promise.all([...links].map(({ closed }) => closed)),
        delay(CLOSE_GRACE_MS),
      ]);
      for (const link of links) link.destroy();
      stalls.close();
    },
  };
}
